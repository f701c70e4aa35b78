package show

import "golang.org/x/sys/unix"

const getModes, setModes = unix.TIOCGETA, unix.TIOCSETA

// noCharacter takes its meaning from a special character of a terminal.
const noCharacter = 0xff
