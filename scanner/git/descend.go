package git

// treeAt is a tree under a path.
type treeAt struct{ tree, path int32 }

// descent walks the trees that lead to wanted things, each under each path once.
type descent struct {
	s *search
	// first is the first path of each tree, -1 before; further ones are in more.
	first []int32
	more  map[treeAt]bool
	paths []uint8 // how many, by tree
	// last is, for each trace, where it was placed last: most trees repeat it.
	last  []lastPlace
	known map[placeKey]int32 // to the index of the place

	stack []treeAt
}

// lastPlace is a directory's path and a name in it.
type lastPlace struct{ path, word int32 }

// placeKey is a thing, by its trace, at a path.
type placeKey struct {
	trace int32
	lastPlace
}

// inTrees places blobs and names: commit after commit, oldest first.
func (s *search) inTrees() error {
	s.paths.init()
	d := &descent{s: s, first: make([]int32, s.cat.len()), more: map[treeAt]bool{}, paths: make([]uint8, s.cat.len()),
		last: make([]lastPlace, len(s.traces)), known: map[placeKey]int32{}}
	for i := range d.first {
		d.first[i] = -1
	}
	for i := range d.last {
		d.last[i] = lastPlace{-1, -1}
	}
	for i, n := range s.order {
		if i%1024 == 0 && s.ctx.Err() != nil {
			return s.ctx.Err()
		}
		nd := s.g.nodes[n]
		if s.trees.toWanted(nd.tree) {
			d.walk(nd.tree, visit{node: n, rank: int32(i), reachable: s.marked[n]})
			if err := s.every(nd); err != nil {
				return err
			}
		}
	}
	for _, t := range s.tips.list { // blobs and trees without a commit
		if i, ok := s.target[t.object]; ok {
			s.direct(i, "", t)
		}
		if _, commit := s.g.nodeOf[t.object]; !commit && int(t.object) < s.cat.len() && s.trees.toWanted(t.object) {
			d.walk(t.object, visit{node: -1, rank: lastRank, reachable: t.tier == strongTip, refs: []string{t.name}})
		}
	}
	d.loose()
	d.head()
	return nil
}

// visit is what leads to the top of a tree: a commit, or refs alone (node -1).
type visit struct {
	node, rank int32
	reachable  bool
	refs       []string
}

// walk descends from a tree at the top.
func (d *descent) walk(tree int32, v visit) {
	s := d.s
	d.stack = append(d.stack[:0], treeAt{tree, 0})
	for len(d.stack) > 0 {
		at := d.stack[len(d.stack)-1]
		d.stack = d.stack[:len(d.stack)-1]
		if !d.enter(at) {
			continue
		}
		for _, l := range s.trees.edgesOf(at.tree) {
			link := &s.trees.links[l]
			if i, ok := s.target[link.object]; ok && s.trees.wanted[link.object] {
				d.found(i, lastPlace{at.path, link.word}, v)
			}
			if int(link.object) < len(s.trees.leads) && s.trees.toWanted(link.object) && s.paths.depth[at.path] < maxPathDepth {
				d.stack = append(d.stack, treeAt{link.object, s.paths.sub(at.path, link.word)})
			}
		}
	}
}

// enter reports whether a tree is to be looked into under a path: the first time
// only, and not under more paths than anyone reads.
func (d *descent) enter(at treeAt) bool {
	switch {
	case d.first[at.tree] == at.path || d.more[at]:
		return false
	case d.paths[at.tree] >= maxTreePaths:
		return false
	}
	d.paths[at.tree]++
	if d.first[at.tree] < 0 {
		d.first[at.tree] = at.path
	} else {
		d.more[at] = true
	}
	return true
}

// found places a wanted thing that stands in a tree under a path.
func (d *descent) found(i int32, at lastPlace, v visit) {
	if d.last[i] == at {
		return
	}
	d.last[i] = at
	key := placeKey{i, at}
	if _, ok := d.known[key]; ok {
		return
	}
	s := d.s
	p := Place{Path: s.paths.join(s.trees, at.path, at.word), Rank: v.rank, Reachable: v.reachable, Refs: v.refs}
	if v.node >= 0 {
		p.Commit = s.cat.oid(s.g.nodes[v.node].object)
	}
	d.known[key] = s.place(i, p, v.node)
}

// loose looks into trees that no commit leads to, so that a blob in them has at least
// a name. Such a place has no commit.
func (d *descent) loose() {
	s := d.s
	for tree := range s.trees.start {
		t := int32(tree)
		if d.first[t] >= 0 || !s.trees.toWanted(t) {
			continue
		}
		for _, l := range s.trees.edgesOf(t) {
			link := &s.trees.links[l]
			i, ok := s.target[link.object]
			if ok && len(s.traces[i].Places) == 0 {
				d.found(i, lastPlace{0, link.word}, visit{node: -1, rank: lastRank})
			}
		}
	}
}

// head marks the places that HEAD has.
func (d *descent) head() {
	s := d.s
	seen := map[treeAt]bool{}
	for _, t := range s.tips.list {
		n, ok := s.g.nodeOf[t.object]
		if !t.head || !ok || !s.trees.toWanted(s.g.nodes[n].tree) {
			continue
		}
		d.stack = append(d.stack[:0], treeAt{s.g.nodes[n].tree, 0})
		for len(d.stack) > 0 {
			at := d.stack[len(d.stack)-1]
			d.stack = d.stack[:len(d.stack)-1]
			if seen[at] || d.first[at.tree] != at.path && !d.more[at] {
				continue
			}
			seen[at] = true
			for _, l := range s.trees.edgesOf(at.tree) {
				link := &s.trees.links[l]
				object := link.object
				if i, ok := s.target[object]; ok {
					if j, ok := d.known[placeKey{i, lastPlace{at.path, link.word}}]; ok && j >= 0 {
						s.traces[i].Places[j].InHead = true
					}
				}
				if int(object) < len(s.trees.leads) && s.trees.toWanted(object) && s.paths.depth[at.path] < maxPathDepth {
					d.stack = append(d.stack, treeAt{object, s.paths.sub(at.path, link.word)})
				}
			}
		}
	}
}

// every tells Request.Every all that one commit holds.
func (s *search) every(nd node) error {
	if s.req.Every == nil {
		return nil
	}
	commit := s.cat.oid(nd.object)
	stack := []treeAt{{nd.tree, 0}}
	for budget := maxPlaces * 10; len(stack) > 0 && budget > 0; budget-- {
		at := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for _, l := range s.trees.edgesOf(at.tree) {
			link := &s.trees.links[l]
			if i, ok := s.target[link.object]; ok {
				if err := s.req.Every(int(i), commit, s.paths.join(s.trees, at.path, link.word)); err != nil {
					return err
				}
			}
			if int(link.object) < len(s.trees.leads) && s.trees.toWanted(link.object) && s.paths.depth[at.path] < maxPathDepth {
				stack = append(stack, treeAt{link.object, s.paths.sub(at.path, link.word)})
			}
		}
	}
	return nil
}
