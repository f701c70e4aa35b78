// What type-checks Stoker for other systems has a module of its own: nothing else needs it.
module github.com/stoker-build/stoker/tools/portable

go 1.26.8

require golang.org/x/tools v0.49.0

require (
	golang.org/x/mod v0.39.0 // indirect
	golang.org/x/sync v0.22.0 // indirect
)
