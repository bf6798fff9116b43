package capture

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/twice-data/twice"
)

// mySnapshot is a transaction on MySQL or MariaDB that sees one snapshot.
type mySnapshot struct {
	db   *sql.DB
	conn *sql.Conn
	addr string
}

func openMySQL(ctx context.Context, address string) (snapshot, error) {
	config, err := mysqlConfig(address)
	if err != nil {
		return nil, err
	}
	config.Timeout, config.Logger = 10*time.Second, &mysql.NopLogger{}
	config.ParseTime, config.InterpolateParams = false, false
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, badURL()
	}
	s := &mySnapshot{db: sql.OpenDB(connector), addr: config.Addr}
	if s.conn, err = s.db.Conn(ctx); err == nil {
		for _, statement := range []string{
			"SET time_zone = '+00:00', net_write_timeout = 3600",
			"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
			"START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
		} {
			if _, err = s.conn.ExecContext(ctx, statement); err != nil {
				break
			}
		}
	}
	if err != nil {
		s.close()
		return nil, s.explain(err)
	}
	return s, nil
}

// mysqlConfig reads mysql://user:password@host:3306/database, or the driver's own form of it. Nothing of it is ever
// printed: a misplaced @ or : makes anything a password.
func mysqlConfig(address string) (*mysql.Config, error) {
	scheme := ""
	for _, s := range []string{"mysql://", "mariadb://"} {
		if strings.HasPrefix(address, s) {
			scheme = s
		}
	}
	if scheme == "" {
		config, err := mysql.ParseDSN(address)
		if err != nil {
			return nil, badURL()
		}
		return config, nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return nil, badURL()
	}
	config, err := mysql.ParseDSN("/?" + u.RawQuery)
	if err != nil {
		return nil, badURL()
	}
	port := u.Port()
	if port == "" {
		port = "3306"
	}
	config.Net, config.Addr = "tcp", net.JoinHostPort(u.Hostname(), port)
	config.User, config.DBName = u.User.Username(), strings.TrimPrefix(u.Path, "/")
	config.Passwd, _ = u.User.Password()
	return config, nil
}

func badURL() *twice.Error {
	return twice.Errorf("bad-url", "the url of the mysql input does not parse").
		WithNext("write mysql://user:${PASSWORD}@host:3306/database, with special characters as %%XX").WithExit(twice.ExitProject)
}

func (s *mySnapshot) close() {
	if s.conn != nil {
		_ = s.conn.Close() // nothing was written
	}
	_ = s.db.Close()
}

func (s *mySnapshot) rows(ctx context.Context, query string, to *rows) error {
	// A prepared statement gives numbers in binary: text would round FLOAT.
	statement, err := s.conn.PrepareContext(ctx, query)
	if err != nil {
		return s.explain(err)
	}
	defer statement.Close()
	found, err := statement.QueryContext(ctx)
	if err != nil {
		return s.explain(err)
	}
	defer found.Close()
	columns, err := myColumns(found, to)
	if err != nil {
		return err
	}
	if err := to.expect(columns); err != nil {
		return err
	}
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	var line []byte
	for ; found.Next(); to.count++ {
		if err := found.Scan(into...); err != nil {
			return s.explain(err)
		}
		line = line[:0]
		for i, v := range values {
			if line, err = myValue(line, v, columns[i]); err != nil {
				return to.cannotTravel("column %s holds %s", columns[i].name, err)
			}
		}
		line[len(line)-1] = '\n'
		if _, err := to.Write(line); err != nil {
			return noRoom(err)
		}
	}
	if err := found.Err(); err != nil {
		return s.explain(err)
	}
	return nil
}

// myValue appends a quoted value and a comma.
func myValue(line []byte, v any, c column) ([]byte, error) {
	if v == nil {
		return append(line, `\N,`...), nil
	}
	line = append(line, '"')
	switch v := v.(type) {
	case int64:
		line = strconv.AppendInt(line, v, 10)
	case uint64:
		line = strconv.AppendUint(line, v, 10)
	case float32:
		line = strconv.AppendFloat(line, float64(v), 'g', -1, 32)
	case float64:
		line = strconv.AppendFloat(line, v, 'g', -1, 64)
	case []byte:
		switch {
		case c.to == "BLOB":
			line = hex.AppendEncode(line, v)
		case c.bits:
			var n uint64
			for _, b := range v {
				n = n<<8 | uint64(b)
			}
			line = strconv.AppendUint(line, n, 10)
		case c.dated() && strings.Contains(string(v), "-00"):
			return nil, fmt.Errorf("%s, which is no day", v)
		default:
			for _, b := range v {
				if b == '"' {
					line = append(line, '"')
				}
				line = append(line, b)
			}
		}
	default:
		return nil, fmt.Errorf("a %T", v)
	}
	return append(line, '"', ','), nil
}

// myTypes are the types that travel, by the driver's name for them.
var myTypes = map[string]string{
	"TINYINT": "TINYINT", "SMALLINT": "SMALLINT", "MEDIUMINT": "INTEGER", "INT": "INTEGER", "BIGINT": "BIGINT",
	"UNSIGNED TINYINT": "UTINYINT", "UNSIGNED SMALLINT": "USMALLINT", "UNSIGNED MEDIUMINT": "UINTEGER",
	"UNSIGNED INT": "UINTEGER", "UNSIGNED BIGINT": "UBIGINT", "YEAR": "SMALLINT", "BIT": "UBIGINT",
	"FLOAT": "FLOAT", "DOUBLE": "DOUBLE", "DATE": "DATE", "TIME": "TIME", "DATETIME": "TIMESTAMP",
	"TIMESTAMP": "TIMESTAMPTZ", "JSON": "JSON", "CHAR": "VARCHAR", "VARCHAR": "VARCHAR", "ENUM": "VARCHAR", "SET": "VARCHAR",
	"TINYTEXT": "VARCHAR", "TEXT": "VARCHAR", "MEDIUMTEXT": "VARCHAR", "LONGTEXT": "VARCHAR",
	"BINARY": "BLOB", "VARBINARY": "BLOB", "TINYBLOB": "BLOB", "BLOB": "BLOB", "MEDIUMBLOB": "BLOB", "LONGBLOB": "BLOB",
}

func myColumns(found *sql.Rows, to *rows) ([]column, error) {
	types, err := found.ColumnTypes()
	if err != nil {
		return nil, err
	}
	var columns []column
	var cannot []string
	for _, t := range types {
		c := column{name: t.Name(), as: myTypes[t.DatabaseTypeName()]}
		c.to = c.as
		if precision, scale, ok := t.DecimalSize(); ok && strings.HasSuffix(t.DatabaseTypeName(), "DECIMAL") && precision <= 38 {
			c.as = fmt.Sprintf("DECIMAL(%d,%d)", precision, scale)
			c.to = c.as
		}
		c.bits = t.DatabaseTypeName() == "BIT"
		switch c.to {
		case "":
			cannot = append(cannot, fmt.Sprintf("column %s is %s", c.name, t.DatabaseTypeName()))
		case "BLOB":
			c.as, c.expr = "VARCHAR", "unhex(%s)"
		}
		columns = append(columns, c)
	}
	if cannot != nil {
		return nil, to.cannotTravel("%s, which cannot travel", strings.Join(cannot, "; "))
	}
	return columns, nil
}

// explain words what the server or the network said; neither says a password.
func (s *mySnapshot) explain(err error) error {
	var refused *mysql.MySQLError
	var network *net.OpError
	switch {
	case errors.As(err, &refused):
		e := twice.Errorf("sql", "%s", refused.Message)
		switch refused.Number {
		case 1045, 1698:
			e.Code, e.Next = "wrong-password", "check the user and the password in the input's url"
		case 1044, 1142, 1143:
			e.Code, e.Next = "permission", "GRANT SELECT on it to the user of the input's url"
		case 1049:
			e.Code = "no-database"
		case 1205, 1213:
			e.Code = "serialization"
		}
		return e
	case errors.As(err, &network) && network.Op == "dial":
		return twice.Errorf("server-down", "no MySQL answers at %s: %s", s.addr, network.Err).WithNext("see that the server runs")
	case errors.Is(err, mysql.ErrInvalidConn) || network != nil:
		return twice.Errorf("connection-lost", "the connection to %s broke", s.addr).WithNext("run the same command again")
	default:
		return err
	}
}
