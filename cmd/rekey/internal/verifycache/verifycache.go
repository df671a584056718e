// Package verifycache keeps verdicts of key services by fingerprint, so that the same
// key is not asked about again and again. The file holds no key: fingerprints,
// statuses and what services said of owners and scopes.
package verifycache

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"sync"
	"time"

	"github.com/rekeyhq/rekey/scanner/finding"
)

// Ages up to which a verdict is believed, and bounds of the file. A live key is asked
// about again soon: somebody may be about to end it. A dead one seldom comes back.
const (
	LiveAge    = 15 * time.Minute
	DeadAge    = 24 * time.Hour
	maxEntries = 50_000
	maxSize    = 32 << 20
)

const schema = "rekey.verdicts/v1"

// file is what is written. A file whose sum does not match its entries is as good as
// none.
type file struct {
	Schema  string           `json:"schema"`
	Sum     string           `json:"sum"`
	Entries map[string]entry `json:"entries"`
}

type entry struct {
	Status  string            `json:"status"`
	Reason  string            `json:"reason,omitempty"`
	At      time.Time         `json:"at"`
	Owner   string            `json:"owner,omitempty"`
	KeyID   string            `json:"key_id,omitempty"`
	Scopes  []string          `json:"scopes,omitempty"`
	Expires time.Time         `json:"expires,omitzero"`
	Extra   map[string]string `json:"extra,omitempty"`
}

// Cache is one run's view of the file. It is safe for concurrent use.
type Cache struct {
	path, scope string
	now         func() time.Time
	mu          sync.Mutex
	entries     map[string]entry
	fresh       map[string]bool // put in this run
}

// Open reads the cache at path. scope names where verdicts come from, such as the base
// URLs of the run: verdicts of another scope are not seen. A file that is missing,
// damaged, foreign or readable by others is taken as empty; the error says why it is
// not a plain missing file, and the cache works all the same.
func Open(path, scope string, now func() time.Time) (*Cache, error) {
	c := &Cache{path: path, scope: scope, now: now, entries: map[string]entry{}, fresh: map[string]bool{}}
	entries, err := read(path)
	if err == nil {
		c.entries = entries
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return c, err
}

func read(path string) (map[string]entry, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxSize || private(info) != nil {
		return nil, fmt.Errorf("cache of verdicts %s is not a file that only you can read: it is not used", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cache of verdicts: %w", err)
	}
	var f file
	if err := json.Unmarshal(data, &f); err != nil || f.Schema != schema || f.Entries == nil || f.Sum != sum(f.Entries) {
		return nil, fmt.Errorf("cache of verdicts %s is damaged: it starts anew", path)
	}
	return f.Entries, nil
}

func sum(entries map[string]entry) string {
	data, err := json.Marshal(entries) // maps are written in order of their keys
	if err != nil {
		return "none"
	}
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}

func (c *Cache) key(f finding.Fingerprint) string {
	h := sha256.Sum256([]byte(c.scope + "\x00" + string(f)))
	return hex.EncodeToString(h[:16])
}

// Get returns the verdict on a key where it is young enough.
func (c *Cache) Get(f finding.Fingerprint) (finding.Verification, bool) {
	c.mu.Lock()
	e, ok := c.entries[c.key(f)]
	c.mu.Unlock()
	if !ok || !c.valid(e) {
		return finding.Verification{}, false
	}
	status, err := finding.ParseStatus(e.Status)
	if err != nil {
		return finding.Verification{}, false
	}
	return finding.Verification{Status: status, Reason: e.Reason, CheckedAt: e.At, Owner: e.Owner, KeyID: e.KeyID, Scopes: e.Scopes, ExpiresAt: e.Expires, Extra: e.Extra}, true
}

func (c *Cache) valid(e entry) bool {
	age := c.now().Sub(e.At)
	status, err := finding.ParseStatus(e.Status)
	switch {
	case err != nil || age < -time.Minute:
		return false
	case status.Live():
		return age < LiveAge && (e.Expires.IsZero() || e.Expires.After(c.now()))
	}
	return status == finding.Inactive && age < DeadAge
}

// Put keeps a verdict: of keys that live or are dead only.
func (c *Cache) Put(f finding.Fingerprint, v finding.Verification) {
	if !v.Status.Live() && v.Status != finding.Inactive {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.key(f)
	c.entries[k] = entry{v.Status.String(), v.Reason, v.CheckedAt, v.Owner, v.KeyID, v.Scopes, v.ExpiresAt, v.Extra}
	c.fresh[k] = true
}

// Save writes the cache, together with what other runs wrote meanwhile, so that a
// reader sees the old file or the whole new one. What is too old is left out.
func (c *Cache) Save() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.fresh) == 0 {
		return nil
	}
	all, err := read(c.path)
	if err != nil {
		all = map[string]entry{}
	}
	for k := range c.fresh {
		all[k] = c.entries[k]
	}
	for k, e := range all {
		if !c.valid(e) {
			delete(all, k)
		}
	}
	bound(all)
	data, err := json.Marshal(file{schema, sum(all), all})
	if err != nil {
		return fmt.Errorf("write cache of verdicts: %w", err)
	}
	dir := filepath.Dir(c.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("write cache of verdicts: %w", err)
	}
	tmp, err := os.CreateTemp(dir, ".verdicts-*") // 0600
	if err != nil {
		return fmt.Errorf("write cache of verdicts: %w", err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(data)
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), c.path)
	}
	if err != nil {
		return fmt.Errorf("write cache of verdicts: %w", err)
	}
	return nil
}

// bound drops the oldest entries above the limit.
func bound(all map[string]entry) {
	if len(all) <= maxEntries {
		return
	}
	keys := make([]string, 0, len(all))
	for k := range all {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool { return all[keys[i]].At.Before(all[keys[j]].At) })
	for _, k := range keys[:len(keys)-maxEntries] {
		delete(all, k)
	}
}
