module parley.internal/api

go 1.26.8
