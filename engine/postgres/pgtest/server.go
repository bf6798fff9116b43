package pgtest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Options of a server. The zero value is for everything but tests of a machine's crash.
type Options struct {
	Durable  bool              // fsync on: what is committed survives a crash of the machine, not just of the server
	Settings map[string]string // further lines of postgresql.conf
}

// Server is a running PostgreSQL in a temporary folder. Its superuser is "postgres", without a password. Members of a
// role "password_required" must give theirs (SCRAM).
type Server struct {
	Bin  string // folder of the server's binaries
	Dir  string // holds the data in "data", the sockets, and "log"
	Port int    // on 127.0.0.1, and of the socket in Dir

	wrapper *exec.Cmd
	stdin   interface{ Close() error }
}

var shared struct {
	sync.Mutex
	server *Server
}

var databases atomic.Int64

// Start gives the test binary's server, which the first caller starts. It ends, and its folder goes, when the binary
// ends, however it ends. Without PostgreSQL's binaries the test is skipped, or fails where CI is set.
func Start(t testing.TB) *Server {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		shared.server = start(t, Options{})
	}
	return shared.server
}

// StartWith starts a server of the test's own. It ends with the test.
func StartWith(t testing.TB, opts Options) *Server {
	t.Helper()
	s := start(t, opts)
	t.Cleanup(s.Stop)
	return s
}

// script runs the server for as long as its standard input is open. The kernel closes that when the test binary dies,
// even of SIGKILL, so no server and no folder is ever left behind.
const script = `
cd "$DIR" || exit 1
end() { "$BIN/pg_ctl" -D data -m immediate stop; cd /; rm -rf "$DIR"; }
"$BIN/initdb" -D data -U postgres -A trust -E UTF8 --locale=C --no-sync >log 2>&1 &&
mv postgresql.conf pg_hba.conf data/ &&
"$BIN/pg_ctl" -D data -l log -w start >/dev/null 2>&1 || { cat log >&3; end >/dev/null 2>&1; exit 1; }
echo ready >&3
cat >/dev/null
end >/dev/null 2>&1
`

func start(t testing.TB, opts Options) *Server {
	t.Helper()
	bin := binaries()
	if bin == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("PostgreSQL is not installed; run scripts/test-deps.sh")
		}
		t.Skip("PostgreSQL is not installed; run scripts/test-deps.sh")
	}
	dir, err := os.MkdirTemp("", "pgtest")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Bin: bin, Dir: dir, Port: freePort(t)}
	s.configure(t, opts)

	answers, answer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer answers.Close()
	s.wrapper = exec.Command("sh", "-c", script)
	s.wrapper.Env = []string{"BIN=" + bin, "DIR=" + dir, "PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	s.wrapper.ExtraFiles = []*os.File{answer}
	s.wrapper.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: unprivileged(t, dir)}
	if s.stdin, err = s.wrapper.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := s.wrapper.Start(); err != nil {
		t.Fatal(err)
	}
	answer.Close()
	var said strings.Builder
	for lines := bufio.NewScanner(answers); lines.Scan(); {
		if lines.Text() == "ready" {
			return s
		}
		fmt.Fprintln(&said, lines.Text())
	}
	t.Fatalf("PostgreSQL does not start:\n%s", said.String())
	return nil
}

// configure writes what initdb's own files are replaced with.
func (s *Server) configure(t testing.TB, opts Options) {
	t.Helper()
	conf := map[string]string{
		"port":                    strconv.Itoa(s.Port),
		"listen_addresses":        "'127.0.0.1'",
		"unix_socket_directories": "'" + s.Dir + "'",
		"max_connections":         "200",
		"shared_buffers":          "'64MB'",
		"password_encryption":     "'scram-sha-256'",
		"max_wal_size":            "'2GB'",
	}
	if !opts.Durable {
		conf["fsync"], conf["full_page_writes"] = "off", "off"
	}
	for name, value := range opts.Settings {
		conf[name] = value
	}
	var lines []string
	for name, value := range conf {
		lines = append(lines, name+" = "+value+"\n")
	}
	slices.Sort(lines)
	hba := "host all +password_required 127.0.0.1/32 scram-sha-256\n" +
		"host all all 127.0.0.1/32 trust\nlocal all all trust\n"
	for name, text := range map[string]string{"postgresql.conf": strings.Join(lines, ""), "pg_hba.conf": hba} {
		if err := os.WriteFile(filepath.Join(s.Dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// Stop ends the server at once, as a crash would, and removes its folder. It may be called twice.
func (s *Server) Stop() {
	if s.stdin.Close() == nil {
		_ = s.wrapper.Wait()
	}
}

// URL addresses a database as its superuser.
func (s *Server) URL(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: fmt.Sprintf("127.0.0.1:%d", s.Port),
		Path: "/" + database, RawQuery: "sslmode=disable"}
	return u.String()
}

// Database makes an empty database for the test, which goes with it, sessions and all, and gives its URL.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test_%d", databases.Add(1))
	s.Exec(t, "postgres", "CREATE DATABASE "+name)
	t.Cleanup(func() { s.Exec(t, "postgres", "DROP DATABASE "+name+" WITH (FORCE)") })
	return s.URL(name)
}

// Exec runs statements in a database as the superuser, on a connection of their own.
func (s *Server) Exec(t testing.TB, database, statements string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, s.URL(database))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statements); err != nil {
		t.Fatalf("%s: %v", statements, err)
	}
}

// binaries is the folder of the newest PostgreSQL, or empty.
func binaries() string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	slices.SortFunc(found, func(a, b string) int { return major(b) - major(a) })
	if inPath, err := exec.LookPath("initdb"); err == nil {
		found = append(found, inPath)
	}
	if len(found) == 0 {
		return ""
	}
	return filepath.Dir(found[0])
}

func major(initdb string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(initdb))))
	return n
}

// unprivileged is who runs the server where we are root, whom it refuses; the folder becomes theirs.
func unprivileged(t testing.TB, dir string) *syscall.Credential {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	who, err := user.Lookup("postgres")
	if err != nil {
		who, err = user.Lookup("nobody")
	}
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(who.Uid)
	gid, _ := strconv.Atoi(who.Gid)
	names, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, name := range append(names, dir) {
		if err := os.Chown(name, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
