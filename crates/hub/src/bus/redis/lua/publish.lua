-- Stores a publication and hands it to the subscribers.
--
-- KEYS[3]  the place of the publication with this id: "offset tag"
-- ARGV     2 tag, 3 size, 4 count, 5 bytes and 6 milliseconds of the retention,
--          7 milliseconds for which the id is remembered, 8 channel, 9 publication,
--          10 'PUBLISH' or 'SPUBLISH'
local known = exists and redis.call('GET', KEYS[3])
if known then
  local offset, known_tag = string.match(known, '^(%d+) (%d+)$')
  -- A publication beyond the top is of an epoch that is lost, and so is the publication.
  if offset and tonumber(offset) <= top then
    return { epoch, offset, known_tag }
  end
end
local now = milliseconds()
local previous, before = tag, bytes
top, tag, bytes = top + 1, ARGV[2], bytes + ARGV[3]
if tonumber(ARGV[4]) > 0 then
  local add = {
    'XADD', KEYS[2], 'MAXLEN', '=', ARGV[4], int(top) .. '-' .. tag,
    'p', previous, 'c', int(before), 't', int(now), 'd', ARGV[9],
  }
  local added = redis.pcall(unpack(add))
  if type(added) == 'table' and added.err then
    -- Beyond maxmemory, the publication fails and the entries stay.
    if string.find(added.err, 'OOM', 1, true) then
      return added
    end
    -- The entries contradict the metadata, as after a partial restore: they are not to be trusted.
    redis.call('DEL', KEYS[2])
    redis.call(unpack(add))
  end
  redis.call('PEXPIRE', KEYS[2], ARGV[6])
  trim(now, tonumber(ARGV[5]), tonumber(ARGV[6]))
else
  redis.call('DEL', KEYS[2])
end
save()
redis.call('SET', KEYS[3], int(top) .. ' ' .. tag, 'PX', ARGV[7])
local place = table.concat({ 'S' .. epoch, int(top), tag, previous }, ' ')
redis.call(ARGV[10], ARGV[8], place .. '\n' .. ARGV[9])
return { epoch, int(top), tag }
