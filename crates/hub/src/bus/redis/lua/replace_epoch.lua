-- Replaces the epoch ARGV[2] by ARGV[1].
if epoch == ARGV[2] then
  epoch = ARGV[1]
end
save()
return { epoch, int(top), tag }
