//go:build !full

package keyservice

const garbageCount = 1500
