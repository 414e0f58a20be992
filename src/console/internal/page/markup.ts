/** The document that the script fills. */
export const markup = (title: string, style: string, script: string): string =>
  `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>${escape(title)}</title>
<style>${style}</style>
</head>
<body>
<header>
  <div class="top"><h1>${escape(title)}</h1><span class="link" id="link">connecting</span></div>
  <div class="tools" role="group" aria-label="Filter">
    <input type="search" id="search" placeholder="Filter by key, reason or note" aria-label="Filter by text">
    <span class="tools" id="chips"></span>
  </div>
</header>
<div class="banner" id="lost" role="alert" hidden><p class="alarm" id="lost-text"></p></div>
<div class="banner" id="read-only" hidden>
  <p id="read-only-text">Read-only: this console has no operators, so circuits can be watched but not steered.</p>
</div>
<p class="silent" id="spoken" role="status" aria-live="polite"></p>
<main>
  <section aria-label="Circuits">
    <ul class="circuits" id="circuits"></ul>
    <p class="more" id="more" hidden></p>
    <div class="legend small" aria-hidden="true">
      <span><i class="passed"></i>passed, or closed</span><span><i class="failed"></i>failed, or open</span>
      <span><i class="rejected"></i>turned away</span>
      <span>bars: calls of 5 minutes</span><span>strip: states of 1 hour</span>
    </div>
  </section>
  <aside aria-label="Recent events">
    <div class="heading">
      <h2>Recent events</h2>
      <label class="small"><input type="checkbox" id="changes" checked> changes only</label>
    </div>
    <ol class="events" id="events" tabindex="0" aria-label="Events, the newest first"></ol>
  </aside>
</main>
<dialog id="dialog" aria-labelledby="dialog-title">
  <form id="form" autocomplete="off">
    <div><h2 id="dialog-title">Steer a circuit</h2><bdi class="key" id="dialog-key" dir="auto"></bdi></div>
    <fieldset id="choices"><legend class="silent">What to do</legend></fieldset>
    <label id="duration-label">For how long
      <select id="duration">
        <option value="300000">5 minutes</option>
        <option value="900000" selected>15 minutes</option>
        <option value="3600000">1 hour</option>
        <option value="28800000">8 hours</option>
        <option value="">until it is reset</option>
      </select>
    </label>
    <label>Reason
      <input type="text" id="reason" required maxlength="500" placeholder="What others will want to know">
    </label>
    <label>Token
      <input type="password" id="token" required autocomplete="off" spellcheck="false">
      <span class="small">Kept until this page is closed or loaded again, and nowhere else.</span>
    </label>
    <p class="wrong" id="wrong" role="alert" hidden></p>
    <div class="buttons">
      <button type="button" id="cancel">Cancel</button>
      <button type="submit" class="primary" id="confirm">Do it</button>
    </div>
  </form>
</dialog>
<noscript><p class="more">This page needs JavaScript; the same facts are under snapshot, as JSON.</p></noscript>
<script>${script}</script>
</body>
</html>
`

const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "\"": "&quot;", "'": "&#39;" }

const escape = (text: string) => text.replace(/[&<>"']/g, (character) => entities[character]!)
