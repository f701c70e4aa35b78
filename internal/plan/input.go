package plan

import "github.com/stoker-build/stoker/internal/mistakes"

// InputError tells everything that is wrong with what a plan is made of.
type InputError = mistakes.InputError
