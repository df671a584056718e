package verifycache

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/scanner/finding"
)

func TestCache(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rekey", "verify.json")
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	clock := at
	now := func() time.Time { return clock }
	open := func(scope string) *Cache {
		t.Helper()
		c, err := Open(path, scope, now)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := open("")
	live := finding.Verification{Status: finding.Active, CheckedAt: at, Owner: "a", Scopes: []string{"r", "w"}, Extra: map[string]string{"plan": "free"}}
	c.Put("live", live)
	c.Put("dead", finding.Verification{Status: finding.Inactive, CheckedAt: at})
	c.Put("perhaps", finding.Verification{Status: finding.Unknown, CheckedAt: at})
	c.Put("short", finding.Verification{Status: finding.Active, CheckedAt: at, ExpiresAt: at.Add(time.Minute)})
	if err := c.Save(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info.Mode(), err)
	}
	for _, tt := range []struct {
		name  string
		after time.Duration
		scope string
		key   finding.Fingerprint
		want  bool
	}{
		{"live", 0, "", "live", true}, {"dead", 0, "", "dead", true}, {"unknown_is_not_kept", 0, "", "perhaps", false},
		{"other_scope", 0, "x", "live", false}, {"live_but_old", LiveAge, "", "live", false}, {"dead_a_while", LiveAge, "", "dead", true},
		{"dead_but_old", DeadAge, "", "dead", false}, {"expired_meanwhile", 2 * time.Minute, "", "short", false}, {"future", -time.Hour, "", "live", false},
	} {
		clock = at.Add(tt.after)
		if v, ok := open(tt.scope).Get(tt.key); ok != tt.want {
			t.Errorf("%s: %v %v", tt.name, v, ok)
		}
	}
	clock = at
	if v, _ := open("").Get("live"); fmt.Sprint(v) != fmt.Sprint(live) {
		t.Errorf("%v", v)
	}
}

func TestDamagedFilesAreEmpty(t *testing.T) {
	path := filepath.Join(t.TempDir(), "verify.json")
	now := func() time.Time { return time.Unix(1e9, 0) }
	c, _ := Open(path, "", now)
	for i := range 50 {
		c.Put(finding.Fingerprint(fmt.Sprint(i)), finding.Verification{Status: finding.Inactive, CheckedAt: now()})
	}
	if err := c.Save(); err != nil {
		t.Fatal(err)
	}
	whole, _ := os.ReadFile(path)
	try := func(name string, data []byte, mode os.FileMode) {
		os.Remove(path)
		if err := os.WriteFile(path, data, mode); err != nil {
			t.Fatal(err)
		}
		c, err := Open(path, "", now)
		if err == nil {
			t.Errorf("%s: no word of it", name)
		}
		if _, ok := c.Get("1"); ok {
			t.Errorf("%s: believed", name)
		}
		c.Put("x", finding.Verification{Status: finding.Inactive, CheckedAt: now()})
		if err := c.Save(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if c, err := Open(path, "", now); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if _, ok := c.Get("x"); !ok {
			t.Errorf("%s: lost", name)
		}
	}
	try("empty", nil, 0o600)
	try("cut", whole[:len(whole)/2], 0o600)
	try("forged", bytes.Replace(whole, []byte("inactive"), []byte("active"), 1), 0o600)
	try("zeros", make([]byte, 1000), 0o600)
	try("readable_by_others", whole, 0o644)
	os.Remove(path)
	other := path + ".x"
	if err := os.WriteFile(other, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(other, path); err != nil {
		t.Skip(err)
	}
	if c, _ := Open(path, "", now); len(c.entries) != 0 {
		t.Error("a symbolic link was followed")
	}
}

func TestBoundAndConcurrency(t *testing.T) {
	all := map[string]entry{}
	for i := range maxEntries + 10 {
		all[fmt.Sprint(i)] = entry{At: time.Unix(int64(i), 0)}
	}
	bound(all)
	if _, old := all["9"]; len(all) != maxEntries || old {
		t.Errorf("%d entries", len(all))
	}
	path := filepath.Join(t.TempDir(), "verify.json")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			c, _ := Open(path, "", time.Now)
			for j := range 20 {
				c.Put(finding.Fingerprint(fmt.Sprint(i, j)), finding.Verification{Status: finding.Inactive, CheckedAt: time.Now()})
			}
			if err := c.Save(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if _, err := Open(path, "", time.Now); err != nil {
		t.Error(err)
	}
}
