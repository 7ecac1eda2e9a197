-- The state of a room's history, before each script.
--
-- KEYS[1]  the metadata: "epoch top tag bytes from since"
--            epoch  hexadecimal
--            top    offset of the newest publication
--            tag    tag of the newest publication
--            bytes  sum of the sizes of all publications of the epoch
--            from   `bytes` before the oldest entry, or before an entry that has been removed since
--            since  milliseconds at which that entry was stored
-- KEYS[2]  the entries, a stream: the id is OFFSET-TAG, the offsets have no holes
--            p  tag of the publication before
--            c  `bytes` before the publication
--            t  milliseconds at which it was stored
--            d  the publication
-- ARGV[1]  a random epoch, if the history has to be created
local META_MILLISECONDS = 2592000000
local epoch, top, tag, bytes, from, since
local meta = redis.call('GET', KEYS[1])
if meta then
  epoch, top, tag, bytes, from, since = string.match(meta, '^(%x+) (%d+) (%d+) (%d+) (%d+) (%d+)$')
end
local exists = epoch ~= nil
if exists then
  top, bytes, from, since = tonumber(top), tonumber(bytes), tonumber(from), tonumber(since)
else
  -- Entries without metadata are of an epoch that is lost.
  redis.call('DEL', KEYS[2])
  epoch, top, tag, bytes, from, since = ARGV[1], 0, '0', 0, 0, 0
end

-- Formats an integer up to 2^53, which `tostring` would round.
local function int(number)
  return string.format('%.0f', number)
end

-- Stores the metadata. It outlives the entries, which are worthless without it. If nothing changed,
-- it is written only to extend its life: most checks of idle rooms write nothing.
local function save()
  local now = table.concat({ epoch, int(top), tag, int(bytes), int(from), int(since) }, ' ')
  local entries_left = redis.call('PTTL', KEYS[2])
  if now == meta then
    local left = redis.call('PTTL', KEYS[1])
    if left > entries_left and left * 2 > META_MILLISECONDS then
      return
    end
  end
  local kept = math.max(META_MILLISECONDS, entries_left + 1000)
  redis.call('SET', KEYS[1], now, 'PX', int(kept))
end

local function milliseconds()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Returns the oldest entry with at least this offset.
local function entry(offset)
  local found = redis.call('XRANGE', KEYS[2], int(offset), '+', 'COUNT', 1)[1]
  if not found then
    return nil
  end
  local fields = found[2]
  return {
    offset = tonumber(string.match(found[1], '^%d+')),
    from = tonumber(fields[4]),
    since = tonumber(fields[6]),
  }
end

-- Removes the entries beyond the bounds in bytes and age. `from` and `since` are of the oldest
-- entry or older: only if they exceed a bound, entries are read.
local function trim(now, max_bytes, max_age)
  local function fits(bytes_before, stored)
    return bytes - bytes_before <= max_bytes and now - stored < max_age
  end
  if fits(from, since) then
    return
  end
  local oldest = entry(0)
  if oldest and not fits(oldest.from, oldest.since) then
    -- The first entry that fits, or the one after the top.
    local low, high = oldest.offset + 1, top + 1
    while low < high do
      local middle = math.floor((low + high) / 2)
      local found = entry(middle)
      if found and fits(found.from, found.since) then
        high = middle
      else
        low = middle + 1
      end
    end
    redis.call('XTRIM', KEYS[2], 'MINID', '=', int(low))
    oldest = entry(low)
  end
  if oldest then
    from, since = oldest.from, oldest.since
  else
    from, since = bytes, now
  end
end
