package detect

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/rekeyhq/rekey/rules"
	"github.com/rekeyhq/rekey/scanner/literal"
)

// Tables returns what New worked out for its services, for Load: which literals are
// searched and what each is for. It depends on the services and the comment markers
// alone, so it can be made when the program is built. Literals stand in it inverted,
// so that neither rekey nor any other scanner takes the file for a hoard of keys.
func (d *Detector) Tables() []byte {
	out := append([]byte(nil), d.digest...)
	out = binary.AppendUvarint(out, uint64(len(d.rules)))
	out = binary.AppendUvarint(out, uint64(len(d.patterns)))
	for id, p := range d.patterns {
		fold := byte(0)
		if p.Fold {
			fold = 1
		}
		out = append(out, byte(len(p.Bytes)), fold)
		for _, c := range p.Bytes {
			out = append(out, ^c)
		}
		out = binary.AppendUvarint(out, uint64(len(d.uses[id])))
		for _, u := range d.uses[id] {
			out = binary.AppendVarint(out, int64(u.rule))
			out = append(out, byte(u.role), byte(u.layer), u.skip)
			out = binary.AppendUvarint(out, uint64(u.literal))
		}
	}
	return out
}

// ErrTables means that tables do not fit the services: they were made for others.
var ErrTables = errors.New("literal tables do not fit the rules")

// Load returns the detector that New would return for the same services, with the
// work of New read from tables. Rules that opt leaves out stay in the tables and are
// passed over.
func Load(services []rules.Service, tables string, opt Options) (*Detector, error) {
	d := &Detector{comment: opt.Comment}
	var hidden []string
	for i := range services {
		svc := &services[i]
		for j := range svc.Rules {
			r := &svc.Rules[j]
			keep, err := opt.keeps(r)
			if err != nil {
				return nil, err
			}
			if !keep {
				hidden = append(hidden, r.ID)
			}
			c := newCompiled(r, svc)
			c.off = !keep
			d.rules = append(d.rules, c)
		}
	}
	if err := d.read(tables); err != nil {
		return nil, err
	}
	if d.off = len(hidden); d.off > 0 {
		sum := sha256.Sum256([]byte(fmt.Sprint(d.digest, hidden)))
		d.digest = hex.EncodeToString(sum[:16])
	}
	return d, nil
}

// read fills the detector from tables.
func (d *Detector) read(tables string) error {
	r := tableReader{rest: tables}
	d.digest = r.text(32)
	if n := r.uvarint(); n != uint64(len(d.rules)) {
		return ErrTables
	}
	n := int(min(r.uvarint(), uint64(len(tables))))
	all := []byte(tables) // one copy for all patterns
	for i := range all {
		all[i] = ^all[i]
	}
	d.patterns = make([]literal.Pattern, n)
	d.uses = make([][]use, n)
	pool := make([]use, 0, n+n/2)
	for id := range n {
		size, fold := int(r.byte()), r.byte() == 1
		at := len(tables) - len(r.rest)
		r.text(size)
		if r.bad {
			return ErrTables
		}
		d.patterns[id] = literal.Pattern{Bytes: all[at : at+size : at+size], Fold: fold}
		first := len(pool)
		for k := r.uvarint(); k > 0 && !r.bad; k-- {
			u := use{rule: int32(r.varint()), role: role(r.byte()), layer: layer(r.byte()), skip: r.byte(), literal: uint16(r.uvarint())}
			if int(u.rule) >= len(d.rules) {
				return ErrTables
			}
			pool = append(pool, u)
		}
		d.uses[id] = pool[first:len(pool):len(pool)]
	}
	if r.bad || r.rest != "" {
		return ErrTables
	}
	var err error
	if d.lits, err = literal.Compile(d.patterns); err != nil {
		return fmt.Errorf("compile literals: %w", err)
	}
	d.makeReaches(d.patterns)
	return nil
}

// tableReader reads numbers; bad is set where they end too early.
type tableReader struct {
	rest string
	bad  bool
}

func (r *tableReader) byte() byte {
	if r.rest == "" {
		r.bad = true
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *tableReader) text(n int) string {
	if n > len(r.rest) {
		r.bad = true
		return ""
	}
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

func (r *tableReader) uvarint() (v uint64) {
	for shift := 0; shift < 64; shift += 7 {
		b := r.byte()
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v
		}
	}
	r.bad = true
	return 0
}

func (r *tableReader) varint() int64 {
	u := r.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}
