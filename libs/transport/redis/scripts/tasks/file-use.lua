-- What files a tenant has.
-- KEYS: files, use of the tenant
-- ARGV: none
-- Returns: {files, bytes of them}
-- Called before an upload is received, and for whoever wants to see it. Changes nothing.
-- include: file_use
return {file_use(KEYS[1], KEYS[2])}
