package database

import "context"

// Batch collects the rows of many handlers in a transaction and stores them together: a
// single statement for all rows is about ten times as fast as a statement for each row.
type Batch[Row any] struct {
	store func(ctx context.Context, tx *Tx, rows []Row) error
}

// NewBatch makes a batch. store is called once per transaction and savepoint, right before
// the commit or the release; an error fails the transaction or the savepoint.
func NewBatch[Row any](store func(ctx context.Context, tx *Tx, rows []Row) error) *Batch[Row] {
	return &Batch[Row]{store: store}
}

// Add adds a row in a transaction. A rollback forgets the row.
func (b *Batch[Row]) Add(ctx context.Context, tx *Tx, row Row) {
	rows, begun := tx.rows[b].([]Row)
	if tx.rows == nil {
		tx.rows = make(map[any]any)
	}
	tx.rows[b] = append(rows, row)
	if begun {
		return
	}
	tx.before = append(tx.before, func() error {
		rows, _ := tx.rows[b].([]Row)
		delete(tx.rows, b)
		return b.store(ctx, tx, rows)
	})
}
