# Stands for the worker of the task queue: the backend's image with another command.
while :; do
  date > /srv/media/last-task
  sleep 1
done
