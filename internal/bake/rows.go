package bake

const jsonSuffix = "_JSON"

func (d *Definition) giveRows() error { return nil }
