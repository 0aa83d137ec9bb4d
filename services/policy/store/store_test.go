package store_test

import (
	"testing"

	"parley.internal/pkg/database/databasetest"
	"parley.internal/policy/store/storetest"
)

func TestStoreConforms(t *testing.T) { databasetest.Each(t, storetest.Run) }
