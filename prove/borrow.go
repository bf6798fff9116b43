package prove

import "context"

func (b *bench) borrow(context.Context, *lab) error { return nil }
