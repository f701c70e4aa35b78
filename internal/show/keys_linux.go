package show

import "golang.org/x/sys/unix"

const getModes, setModes = unix.TCGETS, unix.TCSETS

// noCharacter takes its meaning from a special character of a terminal.
const noCharacter = 0
