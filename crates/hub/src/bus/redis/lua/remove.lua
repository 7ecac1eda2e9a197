-- Removes the entries. The metadata stays, so that earlier positions are found to be trimmed.
redis.call('DEL', KEYS[2])
if exists then
  from, since = bytes, milliseconds()
  save()
end
return 0
