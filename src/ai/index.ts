/**
 * The models of `effect/ai` behind circuits.
 *
 * @since 0.1.0
 */
export * as GuardedEmbeddingModel from "./GuardedEmbeddingModel.ts"
export * as GuardedLanguageModel from "./GuardedLanguageModel.ts"
export * as ResilientLanguageModel from "./ResilientLanguageModel.ts"
