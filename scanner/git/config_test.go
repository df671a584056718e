package git

import "testing"

func FuzzConfig(f *testing.F) {
	for _, s := range []string{"[core]\n\trepositoryformatversion = 1\n[remote \"a]b\"] promisor\n", "[a\\", "[x \"\\\"]\"]k=v\\\n w # c\n", "\xef\xbb\xbf[A]b;c"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		n := 0
		eachSetting(data, func(_, _, _, _ string) { n++ })
		if n > len(data) {
			t.Fatalf("%d settings out of %d bytes", n, len(data))
		}
	})
}
