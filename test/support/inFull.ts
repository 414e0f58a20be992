/** Whether a walk through everything takes every step: `npm run model` asks for it, `npm test` is content with a share. */
export const inFull = process.env.TEST_DEPTH === "full"
