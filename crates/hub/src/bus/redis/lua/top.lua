-- Returns the top, and creates the history if there is none.
save()
return { epoch, int(top), tag }
