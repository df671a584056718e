package worktree

import "sync"

// task is a directory to list or, with files, some of its files to read.
type task struct {
	dir   dir
	files []string
	named bool // the user named it: it may be a directory, and is read even if ignored
}

// queue hands tasks to workers, the last first: so the walk goes deep before it goes
// wide and stays small. It ends when it is empty and no worker is busy, or closed.
type queue struct {
	mu     sync.Mutex
	wake   *sync.Cond
	tasks  []task
	busy   int
	closed bool
}

func newQueue() *queue {
	q := &queue{}
	q.wake = sync.NewCond(&q.mu)
	return q
}

func (q *queue) push(tasks ...task) {
	if len(tasks) == 0 {
		return
	}
	q.mu.Lock()
	q.tasks = append(q.tasks, tasks...)
	q.mu.Unlock()
	q.wake.Broadcast()
}

// pop waits for a task; false means that there will be none.
func (q *queue) pop() (task, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		switch n := len(q.tasks); {
		case q.closed:
			return task{}, false
		case n > 0:
			t := q.tasks[n-1]
			q.tasks[n-1] = task{}
			q.tasks = q.tasks[:n-1]
			q.busy++
			return t, true
		case q.busy == 0:
			return task{}, false
		}
		q.wake.Wait()
	}
}

// done says that a popped task is finished and has pushed what it led to.
func (q *queue) done() {
	q.mu.Lock()
	q.busy--
	last := q.busy == 0
	q.mu.Unlock()
	if last {
		q.wake.Broadcast()
	}
}

func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.wake.Broadcast()
}
