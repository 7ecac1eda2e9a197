-- Reads a page.
--
-- ARGV  2 bytes and 3 milliseconds of the retention, 4 'XRANGE' or 'XREVRANGE', 5 offset or '-' or
--       '+' to begin at, 6 maximum number of entries
trim(milliseconds(), tonumber(ARGV[2]), tonumber(ARGV[3]))
save()
local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
local stop = ARGV[4] == 'XRANGE' and '+' or '-'
local page = redis.call(ARGV[4], KEYS[2], ARGV[5], stop, 'COUNT', ARGV[6])
return { epoch, int(top), tag, oldest and oldest[1] or '0-0', page }
