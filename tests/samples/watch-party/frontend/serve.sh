www=/tmp/www
mkdir -p "$www"
cp /app/www/* "$www"
{
  echo "commit: $GIT_COMMIT_HASH"
  echo "content: $(cat "$www/index.html")"
} > "$www/version"
echo ok > "$www/health"
exec httpd -f -p 3000 -h "$www"
