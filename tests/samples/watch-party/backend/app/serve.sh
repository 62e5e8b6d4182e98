# Serves /version, and /health only while the file "status" says ok.
www=/tmp/www
mkdir -p "$www"
{
  echo "commit: $(cat commit)"
  echo "content: $(cat content.txt)"
} > "$www/version"
if [ "$(cat status)" = ok ]; then
  echo ok > "$www/health"
else
  rm -f "$www/health"
fi
exec httpd -f -p 8000 -h "$www"
