/** The style of the page: light and dark, from a phone to a screen on the wall. */
export const style = String.raw`
:root {
  color-scheme: light dark;
  --ground: #f4f5f7; --card: #fff; --line: #dfe3e8; --ink: #1a212b; --soft: #5b6675; --fill: #eceff3;
  --closed: #1a7f4b; --open: #c62f2f; --half_open: #96640a; --forced_open: #8a3ab9; --disabled: #4d6078;
  --passed: #8fbfa5; --focus: #2563eb;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0e1217; --card: #161c23; --line: #28313c; --ink: #e4e9ef; --soft: #93a1b1; --fill: #202832;
    --closed: #4cc38a; --open: #ff7b72; --half_open: #e3b341; --forced_open: #cf9bf0; --disabled: #9fb1c7;
    --passed: #2f6d4f; --focus: #6ea8fe;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body {
  margin: 0; background: var(--ground); color: var(--ink); accent-color: var(--focus);
  font: 14px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; font-variant-numeric: tabular-nums;
}
h1, h2, p, ul, ol { margin: 0; padding: 0; }
ul, ol { list-style: none; }
:focus-visible { outline: 2px solid var(--focus); outline-offset: 2px; }
.silent { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

header { padding: 18px 24px 12px; display: grid; gap: 12px; max-width: 1680px; margin: auto; }
.top { display: flex; align-items: baseline; gap: 14px; flex-wrap: wrap; }
h1 { font-size: 20px; font-weight: 650; letter-spacing: -.01em; overflow-wrap: anywhere; }
.link { color: var(--soft); font-size: 13px; }
.link::before { content: ""; display: inline-block; width: 8px; height: 8px; border-radius: 50%;
  background: var(--closed); margin-inline-end: 6px; }
.lost .link::before { background: var(--open); }
.tools { display: flex; gap: 8px; flex-wrap: wrap; align-items: center; }
.tools input[type=search] { flex: 1 1 220px; max-width: 340px; }
.banner { margin: 0 auto; max-width: 1680px; padding: 0 24px 12px; }
.banner p { padding: 9px 14px; border-radius: 8px; border: 1px solid var(--line); background: var(--card);
  color: var(--soft); }
.banner p.alarm { border-color: var(--open); color: var(--open); font-weight: 600; }
.lost main { opacity: .55; }

input, select, button, textarea { font: inherit; color: inherit; }
input[type=search], input[type=text], input[type=password], select {
  background: var(--card); border: 1px solid var(--line); border-radius: 7px; padding: 6px 10px; min-width: 0;
}
button { background: var(--card); border: 1px solid var(--line); border-radius: 7px; padding: 5px 12px;
  cursor: pointer; }
button:hover:enabled { border-color: var(--soft); }
button:disabled { cursor: not-allowed; color: var(--soft); opacity: .6; }
.chip { border-radius: 99px; padding: 4px 12px; color: var(--tone, var(--ink)); }
.chip b { font-weight: 650; }
.chip[aria-pressed=true] { background: var(--tone, var(--ink)); border-color: var(--tone, var(--ink));
  color: var(--card); }
.chip.none { color: var(--soft); }

.closed { --tone: var(--closed); } .open { --tone: var(--open); } .half_open { --tone: var(--half_open); }
.forced_open { --tone: var(--forced_open); } .disabled { --tone: var(--disabled); }

main { max-width: 1680px; margin: auto; padding: 0 24px 32px; display: grid; gap: 20px;
  grid-template-columns: minmax(0, 1fr) 296px; align-items: start; }
.circuits { display: grid; gap: 8px; }
.circuit {
  background: var(--card); border: 1px solid var(--line); border-left: 4px solid var(--tone); border-radius: 9px;
  padding: 11px 14px 11px 12px; display: grid; gap: 2px 16px; align-items: center; content-visibility: auto;
  contain-intrinsic-size: auto 78px; grid-template-columns: 92px minmax(0, 1fr) 122px 82px 108px auto;
}
.state b { display: block; color: var(--tone); font-weight: 650; }
.small { color: var(--soft); font-size: 12.5px; }
.key { font: 600 13.5px/1.4 ui-monospace, "SF Mono", Menlo, Consolas, monospace; unicode-bidi: isolate;
  overflow-wrap: anywhere; display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2;
  overflow: hidden; }
.why { overflow-wrap: anywhere; display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3;
  overflow: hidden; }
.kinds { display: flex; flex-wrap: wrap; gap: 4px; margin-top: 4px; }
.kinds li { background: var(--fill); border-radius: 4px; padding: 0 7px; font-size: 12px; }
.figure b { font-size: 16px; font-weight: 650; line-height: 1.2; }
.cost div { line-height: 1.3; }
.figure.bad b { color: var(--open); }
svg { display: block; width: 100%; }
.trend { height: 22px; margin-top: 3px; }
.strip { height: 10px; border-radius: 3px; margin: 4px 0; }
svg .passed { fill: var(--passed); } svg .failed { fill: var(--open); }
svg .rejected { fill: var(--soft); opacity: .55; }
svg .closed { fill: var(--passed); } svg .unknown { fill: var(--fill); } svg .open { fill: var(--open); }
svg .half_open { fill: var(--half_open); } svg .forced_open { fill: var(--forced_open); }
svg .disabled { fill: var(--disabled); }
.calm { padding-block: 7px; contain-intrinsic-size: auto 58px; }
.more { color: var(--soft); padding: 8px 4px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; padding: 10px 4px; }
.legend i { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-inline-end: 6px;
  background: var(--swatch); }
.legend .passed { --swatch: var(--passed); } .legend .failed { --swatch: var(--open); }
.legend .rejected { --swatch: color-mix(in srgb, var(--soft) 55%, transparent); }

aside { background: var(--card); border: 1px solid var(--line); border-radius: 9px; position: sticky; top: 16px;
  max-height: calc(100vh - 32px); display: flex; flex-direction: column; }
.heading { display: flex; justify-content: space-between; align-items: baseline; gap: 10px; padding: 11px 14px;
  border-bottom: 1px solid var(--line); }
h2 { font-size: 14px; font-weight: 650; }
.events { overflow: auto; }
.events li { padding: 7px 14px; border-bottom: 1px solid var(--line); display: grid; gap: 0 10px;
  grid-template-columns: 8px minmax(0, 1fr) auto; }
.events li:last-child { border: 0; }
.events li::before { content: ""; width: 8px; height: 8px; border-radius: 50%; margin-top: 6px;
  background: var(--tone, var(--line)); }
.events .key { font-size: 12.5px; -webkit-line-clamp: 1; }
.events p { grid-column: 2 / -1; overflow-wrap: anywhere; font-size: 13px; display: -webkit-box;
  -webkit-box-orient: vertical; -webkit-line-clamp: 4; overflow: hidden; }

dialog { border: 1px solid var(--line); border-radius: 12px; background: var(--card); color: var(--ink); padding: 0;
  width: min(460px, calc(100vw - 24px)); box-shadow: 0 18px 60px rgb(0 0 0 / .3); }
dialog::backdrop { background: rgb(8 12 18 / .45); }
dialog form { display: grid; gap: 14px; padding: 20px; }
dialog h2 { font-size: 16px; }
dialog label, fieldset { display: grid; gap: 5px; }
fieldset { border: 0; margin: 0; padding: 0; gap: 8px; min-width: 0; }
fieldset label { grid-template-columns: 18px 1fr; gap: 0 8px; align-items: baseline; }
fieldset label .small { grid-column: 2; }
.wrong { color: var(--open); font-weight: 600; }
.buttons { display: flex; justify-content: flex-end; gap: 8px; }
.primary:enabled { background: var(--focus); border-color: var(--focus); color: #fff; font-weight: 600; }
@media (prefers-color-scheme: dark) { .primary:enabled { color: #0b1220; } }

@media (max-width: 1080px) {
  main { grid-template-columns: minmax(0, 1fr); }
  aside { position: static; max-height: 60vh; }
}
@media (max-width: 860px) {
  header { padding: 14px 14px 10px; } main { padding: 0 14px 24px; } .banner { padding: 0 14px 10px; }
  .tools input[type=search] { max-width: none; flex-basis: 100%; }
  .circuit { grid-template: "state act" "what what" "traffic cost" "outlook outlook" / 3fr 2fr; gap: 7px 20px; }
  .circuit .state { grid-area: state; display: flex; gap: 8px; align-items: baseline; }
  .circuit .act { grid-area: act; justify-self: end; }
  .circuit .what { grid-area: what; } .circuit .traffic { grid-area: traffic; }
  .circuit .cost { grid-area: cost; align-self: start; } .circuit .outlook { grid-area: outlook; }
}
@media (prefers-reduced-motion: no-preference) {
  .changed { animation: changed 1.6s ease-out; }
  main { transition: opacity .2s; }
}
@keyframes changed { from { background: color-mix(in srgb, var(--tone) 22%, var(--card)); } }
`
