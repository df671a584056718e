package keyservice_test

import (
	"testing"

	"github.com/rekeyhq/rekey/revoker/keyservice"
	"github.com/rekeyhq/rekey/rules/builtin"
)

// Every condition of every built-in service compiles and has the right type.
func TestBuiltinOperationsAreWellFormed(t *testing.T) {
	for _, s := range builtin.Services() {
		if err := keyservice.Check(&s); err != nil {
			t.Error(err)
		}
	}
}
