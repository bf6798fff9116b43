package capture

import (
	"bufio"
	"database/sql"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twice-data/twice"
)

// mariadb runs a server for as long as its standard input is open: it goes with the test binary, however that ends.
const mariadb = `
cd "$DIR" || exit 1
install=$(command -v mariadb-install-db || command -v mysql_install_db)
end() { kill $server; wait $server; cd /; rm -rf "$DIR"; }
"$install" --no-defaults --datadir="$DIR/data" --auth-root-authentication-method=normal --skip-test-db $AS >log 2>&1 ||
	{ cat log >&3; exit 1; }
"$SERVER" --no-defaults --datadir="$DIR/data" --socket="$DIR/sock" --port=$PORT --bind-address=127.0.0.1 \
	--innodb-flush-log-at-trx-commit=0 --skip-log-bin --pid-file="$DIR/pid" $AS >>log 2>&1 </dev/null &
server=$!
for i in $(seq 300); do
	[ -S sock ] && break
	kill -0 $server 2>/dev/null || { cat log >&3; exit 1; }
	sleep 0.1
done
echo ready >&3
cat >/dev/null
end >/dev/null 2>&1
`

var mariaStdin io.Closer // its end is the server's

// mariaURL is the address of the test binary's server, as a user without a password who may do everything.
var mariaURL = sync.OnceValues(func() (string, error) {
	server := "/usr/sbin/mariadbd"
	if _, err := os.Stat(server); err != nil {
		if server, err = exec.LookPath("mariadbd"); err != nil {
			return "", nil
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	dir, err := os.MkdirTemp("", "mariadb")
	if err != nil {
		return "", err
	}
	as := ""
	if os.Geteuid() == 0 {
		as = "--user=root"
	}
	answers, answer, err := os.Pipe()
	if err != nil {
		return "", err
	}
	c := exec.Command("sh", "-c", mariadb)
	c.Env = append(os.Environ(), "DIR="+dir, "SERVER="+server, fmt.Sprintf("PORT=%d", port), "AS="+as)
	c.ExtraFiles = []*os.File{answer}
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if mariaStdin, err = c.StdinPipe(); err != nil {
		return "", err
	}
	if err := c.Start(); err != nil {
		return "", err
	}
	answer.Close()
	said, _ := bufio.NewReader(answers).ReadString('\n')
	if said != "ready\n" {
		rest, _ := io.ReadAll(answers)
		return "", fmt.Errorf("MariaDB does not start: %s%s", said, rest)
	}
	return fmt.Sprintf("mysql://root@127.0.0.1:%d/", port), nil
})

// mysqlDatabase makes a database of its own, runs statements in it and gives its URL.
func mysqlDatabase(t *testing.T, statements ...string) string {
	t.Helper()
	url, err := mariaURL()
	if err != nil {
		t.Fatal(err)
	}
	if url == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("MariaDB is not installed; run scripts/test-deps.sh")
		}
		t.Skip("MariaDB is not installed; run scripts/test-deps.sh")
	}
	name := "test_" + strings.ToLower(filepath.Base(t.Name()))
	mysqlExec(t, url, "CREATE DATABASE "+name)
	t.Cleanup(func() { mysqlExec(t, url, "DROP DATABASE "+name) })
	mysqlExec(t, url+name, statements...)
	return url + name
}

func mysqlExec(t *testing.T, url string, statements ...string) {
	t.Helper()
	config, err := mysqlConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("mysql", config.FormatDSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func TestMySQLTypesTravel(t *testing.T) {
	url := mysqlDatabase(t)
	for i, test := range []struct{ typ, value, became, want string }{
		{"tinyint", "-128", "TINYINT", "-128"},
		{"tinyint unsigned", "255", "UTINYINT", "255"},
		{"smallint", "-32768", "SMALLINT", "-32768"},
		{"mediumint unsigned", "16777215", "UINTEGER", "16777215"},
		{"int", "-2147483648", "INTEGER", "-2147483648"},
		{"bigint", "-9223372036854775808", "BIGINT", "-9223372036854775808"},
		{"bigint unsigned", "18446744073709551615", "UBIGINT", "18446744073709551615"},
		{"year", "2020", "SMALLINT", "2020"},
		{"bit(10)", "b'1000000001'", "UBIGINT", "513"},
		{"float", "16777216", "FLOAT", "16777216.0"},
		{"float", "0.1", "FLOAT", "0.1"},
		{"double", "0.1e0 + 0.2e0", "DOUBLE", "0.30000000000000004"},
		{"decimal(38,10)", "1234567890123456789012345678.0123456789", "DECIMAL(38,10)", "1234567890123456789012345678.0123456789"},
		{"date", "'2020-02-29'", "DATE", "2020-02-29"},
		{"datetime(6)", "'2020-01-01 12:00:00.000001'", "TIMESTAMP", "2020-01-01 12:00:00.000001"},
		{"timestamp(6) null", "'2020-01-01 12:00:00.123456'", "TIMESTAMP WITH TIME ZONE", "2020-01-01 12:00:00.123456+00"},
		{"time(6)", "'12:00:00.000001'", "TIME", "12:00:00.000001"},
		{"varchar(50) character set utf8mb4", `'a,"b"\n\\N 🙂'`, "VARCHAR", "a,\"b\"\n\\N 🙂"},
		{"text", `'\\N'`, "VARCHAR", "\\N"},
		{"text", "''", "VARCHAR", ""},
		{"longtext", "repeat('x', 3000000)", "VARCHAR", strings.Repeat("x", 3000000)},
		{"varbinary(10)", "x'00ff22'", "BLOB", "\\x00\\xFF\\x22"},
		{"enum('a','b')", "'b'", "VARCHAR", "b"},
		{"text", "null", "VARCHAR", "NULL"},
		{"datetime", "null", "TIMESTAMP", "NULL"},
	} {
		mysqlExec(t, url, fmt.Sprintf("CREATE TABLE t%d (v %s)", i, test.typ), "SET SESSION time_zone='+00:00'",
			fmt.Sprintf("INSERT INTO t%d VALUES (%s)", i, test.value))
		pins, read, err := taken(t, queried("mysql", url, fmt.Sprintf("select v as `X y`, 1 as one from t%d", i)))
		if err != nil {
			t.Errorf("%s %.50s: %v", test.typ, test.value, err)
			continue
		}
		if got := read(pins[0][0], `select "X y", typeof("X y"), one from {}`); got != test.want+"|"+test.became+"|1" {
			t.Errorf("%s %.50s became %.100s, want %.100s|%s", test.typ, test.value, got, test.want, test.became)
		}
	}
}

func TestMySQLRefusals(t *testing.T) {
	url := mysqlDatabase(t, "CREATE TABLE secret (a int)", "CREATE TABLE bad (d date, big decimal(60,2), t time)",
		"SET sql_mode=''", "INSERT INTO bad VALUES ('0000-00-00', 1, '100:00:00')",
		"CREATE OR REPLACE USER reader@'%' IDENTIFIED BY 'right'")
	as := func(user string) string { return strings.Replace(url, "root@", user+"@", 1) }
	server := url[:strings.LastIndex(url, "/")+1]
	for _, test := range []struct{ url, query, code, says string }{
		{strings.Replace(as("reader:wr0ng"), url[strings.LastIndex(url, "/"):], "/", 1), "select 1", "wrong-password", ""},
		{strings.Replace(as("reader:right"), url[strings.LastIndex(url, "/"):], "/", 1),
			"select * from " + url[strings.LastIndex(url, "/")+1:] + ".secret", "permission", "SELECT"},
		{"mysql://u:wr0ng@127.0.0.1:1/d", "select 1", "server-down", "127.0.0.1:1"},
		{"mysql://u:wr0ng@@:/", "select 1", "bad-url", ""},
		{server + "nowhere", "select 1", "no-database", ""},
		{url, "selec 1", "sql", ""},
		{url, "select d from bad", "type-cannot-travel", "column d holds 0000-00-00"},
		{url, "select big from bad", "type-cannot-travel", "column big is DECIMAL"},
		{url, "select t from bad", "type-cannot-travel", `column "t"`},
		{url, "select point(1, 2) as p", "type-cannot-travel", "column p is GEOMETRY"},
	} {
		_, _, err := taken(t, queried("mysql", test.url, test.query))
		if code(err) != test.code || !strings.Contains(err.Error(), test.says) || strings.Contains(fmt.Sprintf("%+v", err), "wr0ng") {
			t.Errorf("%s: %v (%s), want %s with %q", test.query, err, code(err), test.code, test.says)
		}
	}
}

// Two queries see one snapshot although a row is added between them.
func TestMySQLOneSnapshot(t *testing.T) {
	url := mysqlDatabase(t, "CREATE TABLE src (n int, at datetime)", "INSERT INTO src VALUES (1, '2020-01-01')")
	s, err := openMySQL(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	mysqlExec(t, url, "INSERT INTO src VALUES (2, '2020-01-01')")
	day := twice.Window{Start: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), End: time.Date(2020, 1, 2, 0, 0, 0, 0, time.UTC)}
	query, err := twice.Bind("select n from src where at >= $start and at < $end", day)
	if err != nil {
		t.Fatal(err)
	}
	to, err := newRows(&twice.Input{Name: "src"}, filepath.Join(t.TempDir(), "rows"))
	if err != nil {
		t.Fatal(err)
	}
	defer to.close()
	if err := s.rows(t.Context(), query, to); err != nil || to.count != 1 {
		t.Errorf("%d rows (%v), want the one that was there before", to.count, err)
	}
}
