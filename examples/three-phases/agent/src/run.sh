echo "agent 1 at work on $(cat /fruit)"
