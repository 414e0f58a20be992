/** What the database has to have: a table of records, and the function that updates one. */

/** Names of a table and of its function, ready for SQL. The function and the index take the schema of the table. */
export const namesOf = (table: string) => {
  const quoted = (name: string) => name.split(".").map((part) => `"${part}"`).join(".")
  const name = table.slice(table.lastIndexOf(".") + 1)
  return { table: quoted(table), update: quoted(`${table}_update`), index: quoted(`${name}_announced`) }
}

/** The clock of the server in microseconds, also within a transaction. */
export const micros = "(extract(epoch from clock_timestamp()) * 1000000)::bigint"

/**
 * One statement, so that it is carried out as a whole or not at all. The lock is for processes that run it at once.
 *
 * The function takes `change`, an object with the text `key`, `namespace`, `id`, `channel` and `writer`, the object
 * `add`, the list `remove`, and perhaps `revision` or `generation` (the guard), `set`, `atLeast`, `beat` (the revision
 * to set), `millis` (until the record expires) and `announce`. It selects the row after it has made sure that there is
 * one, because a statement that waits for a lock sees other rows as they were before. It reads the clock once it has
 * the lock, so that revisions follow the order of updates. A crash of the server may lose the last of them, which
 * processes bring in again: so no update waits for the disk. A message has at most 8000 bytes, and the key in place of
 * an id that is longer. A beat deletes nothing, so that it fails where expired rows could not be swept.
 */
export const migrationOf = (of: string, unlogged: boolean): string => {
  const { index, table, update } = namesOf(of)
  const whole = "bigint not null default 0 check"
  const inRange = (column: string) => `(${column} between 0 and ${Number.MAX_SAFE_INTEGER - 1})`
  return `do $migration$ begin
perform pg_advisory_xact_lock(hashtext('effect-resilience ${table}'));

create${unlogged ? " unlogged" : ""} table if not exists ${table} (
  key text collate "C" primary key,
  namespace text not null,
  id text not null,
  revision ${whole} ${inRange("revision")},
  generation ${whole} ${inRange("generation")},
  state text not null default '',
  counters jsonb not null default '{}' check (jsonb_typeof(counters) = 'object'),
  writer text not null default '',
  announced bigint not null default 0,
  announced_by text not null default '',
  expires bigint
) with (fillfactor = 70);

create index if not exists ${index} on ${table} (namespace, announced);

create or replace function ${update}(change jsonb) returns json language plpgsql as $function$
declare
  r ${table}%rowtype;
  now bigint;
  applied boolean;
  message text;
begin
  perform set_config('lock_timeout', '1s', true), set_config('synchronous_commit', 'off', true);
  loop
    select * into r from ${table} where key = change->>'key' for update;
    exit when found;
    insert into ${table} (key, namespace, id, expires)
      values (change->>'key', change->>'namespace', change->>'id', 0) on conflict (key) do nothing;
  end loop;
  if change ? 'beat' then delete from ${table} where false; end if;
  now := ${micros};
  if r.expires <= now then
    r.revision := 0; r.generation := 0; r.state := ''; r.counters := '{}'; r.writer := '';
  end if;
  applied := r.revision = coalesce((change->>'revision')::bigint, r.revision)
    and r.generation = coalesce((change->>'generation')::bigint, r.generation);
  if applied then
    if change ? 'atLeast' then
      r.generation := greatest(r.generation + 1, (change->>'atLeast')::bigint, now);
      r.counters := '{}';
    end if;
    r.counters := r.counters - array(select jsonb_array_elements_text(change->'remove'));
    r.counters := r.counters || coalesce((
      select jsonb_object_agg(name, n::bigint + coalesce(substring(r.counters->>name from '^\\d{1,16}$')::bigint, 0))
      from jsonb_each_text(change->'add') as added (name, n)), '{}');
    if change ? 'set' then
      r.revision := coalesce((change->>'beat')::bigint, greatest(r.revision + 1, now));
      r.state := change->>'set';
      r.writer := change->>'writer';
    end if;
    if change ? 'announce' then
      r.announced := now;
      r.announced_by := change->>'writer';
      message := json_build_array(r.id, r.revision, r.announced_by);
      perform pg_notify(change->>'channel', case when octet_length(message) < 8000 then message
        else json_build_array('', r.revision, r.announced_by, r.key)::text end);
    end if;
    r.expires := now + (change->>'millis')::bigint * 1000;
    update ${table} set (revision, generation, state, counters, writer, announced, announced_by, expires)
      = (r.revision, r.generation, r.state, r.counters, r.writer, r.announced, r.announced_by, r.expires)
      where key = r.key;
  end if;
  return json_build_array(now, applied, r.key, r.revision, r.generation, r.state, r.counters, r.writer);
end $function$;
end $migration$`
}
