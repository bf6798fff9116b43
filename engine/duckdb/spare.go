package duckdb

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/twice-data/twice"
)

// At a checkpoint DuckDB 1.5 writes new data beside the old, but the blocks of its metadata in place: those that have room
// left, next to what the file's header still refers to. A process that is killed in the middle of such a block, or a
// machine that loses power, leaves a block of two halves, which fails its checksum, and then the database does not open any
// more. So these blocks are copied to a spare file while a run is at work, before its checkpoint, as InnoDB does with all pages (its
// double-write buffer), and put back where the header is still the one that they belong to.

// spareSuffix is what the spare file's name ends in, behind the database's. It is there while a database is being written.
const spareSuffix = ".spare"

// Where the parts of a DuckDB file are: behind the first header two more, of which the newer one counts, and then blocks.
const (
	headersAt = 4096
	headers   = 8192
	blocksAt  = headersAt + headers
)

// spare is what a Driver has copied.
type spare struct {
	file    *os.File // the database's. Closing it frees DuckDB's own lock on it, so it stays open as long as the database.
	headers []byte   // to which the copy belongs; nil: nothing was copied
	last    *copying // begun last; nil: none was
}

// copying is a copy under way. err is there when done is closed.
type copying struct {
	done chan struct{}
	err  error
}

// protect waits until the blocks are copied that the next checkpoint may write in place.
func (d *Driver) protect() error {
	c, err := d.copy()
	if c == nil || err != nil {
		return err
	}
	<-c.done
	return c.err
}

// copy begins to copy these blocks, unless that was done since the last checkpoint. Nothing may make a checkpoint meanwhile.
// nil: it is done.
func (d *Driver) copy() (*copying, error) {
	if d.path == "" || d.readOnly {
		return nil, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if c := d.spare.last; c != nil {
		select {
		case <-c.done:
		default:
			return c, nil
		}
	}
	var err error
	if d.spare.file == nil {
		if d.spare.file, err = os.OpenFile(d.path, os.O_RDWR, 0); err != nil {
			return nil, err
		}
	}
	now := make([]byte, headers)
	if _, err := d.spare.file.ReadAt(now, headersAt); err != nil || bytes.Equal(now, d.spare.headers) {
		return nil, err
	}
	c := &copying{done: make(chan struct{})}
	d.spare.last = c
	go func() {
		defer close(c.done)
		c.err = d.saveSpare(now)
	}()
	return c, nil
}

// settle waits for a copy under way, and for whatever else uses the database's file.
func (d *Driver) settle() {
	d.syncing.Wait()
	d.mu.Lock()
	c := d.spare.last
	d.mu.Unlock()
	if c != nil {
		<-c.done
	}
}

// saveSpare writes the spare file for the headers that the database has now.
func (d *Driver) saveSpare(now []byte) error {
	places, err := d.written(context.Background())
	if err == nil {
		err = save(d.path+spareSuffix, d.spare.file, now, places)
	}
	if err == nil {
		d.mu.Lock()
		d.spare.headers = now
		d.mu.Unlock()
	}
	return err
}

// extent is a part of the database's file.
type extent struct{ At, Size int64 }

// written are the blocks of metadata that have room left.
func (d *Driver) written(ctx context.Context) (places []extent, err error) {
	rows, err := d.db.QueryContext(ctx, `SELECT m.block_id, s.block_size FROM pragma_metadata_info() AS m, pragma_database_size() AS s
		WHERE m.free_blocks > 0 AND s.database_name = current_database()`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id, size int64
		if err := rows.Scan(&id, &size); err != nil {
			return nil, err
		}
		places = append(places, extent{blocksAt + id*size, size})
	}
	return places, rows.Err()
}

// save writes a spare file: the headers, then each part behind its place, and a checksum of all of it.
func save(path string, database io.ReaderAt, head []byte, places []extent) error {
	var b bytes.Buffer
	b.Write(head)
	for _, p := range places {
		part := make([]byte, p.Size)
		if n, err := database.ReadAt(part, p.At); err != nil && (err != io.EOF || n == 0) {
			if err == io.EOF {
				continue // it is not in the file yet
			}
			return err
		}
		_ = binary.Write(&b, binary.LittleEndian, p) // into memory
		b.Write(part)
	}
	sum := sha256.Sum256(b.Bytes())
	b.Write(sum[:])
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b.Bytes())
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		_ = os.Remove(path) // half of it is of no use
	}
	return err
}

// putBack repairs a database that no process has open from its spare file, if it has one: the parts are put back where the
// headers are still those that they belong to. A spare file that is not complete was not yet needed.
func putBack(path string) error {
	if _, err := os.Stat(path + spareSuffix); err != nil {
		return nil
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return os.Remove(path + spareSuffix)
		}
		return nil // it can only be read, or not even that: opening it says so
	}
	defer f.Close()
	if !lock(f) {
		return nil // somebody is writing it
	}
	b, err := os.ReadFile(path + spareSuffix)
	if err != nil {
		return err
	}
	end := len(b) - sha256.Size
	now := make([]byte, headers)
	if _, err := f.ReadAt(now, headersAt); err != nil && err != io.EOF {
		return err
	}
	if end >= headers && sha256.Sum256(b[:end]) == [sha256.Size]byte(b[end:]) && bytes.Equal(b[:headers], now) {
		r := bytes.NewReader(b[headers:end])
		for r.Len() > 0 {
			var p extent
			if err := binary.Read(r, binary.LittleEndian, &p); err != nil {
				return err
			}
			part := make([]byte, p.Size)
			if _, err := io.ReadFull(r, part); err != nil {
				return err
			}
			if _, err := f.WriteAt(part, p.At); err != nil {
				return err
			}
		}
		if err := f.Sync(); err != nil {
			return err
		}
	}
	return os.Remove(path + spareSuffix)
}

// letGo removes the spare file of a database that is closed, unless somebody else has opened it since.
func (d *Driver) letGo() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.spare.file
	if f == nil || d.db.Stats().OpenConnections > 0 {
		return nil
	}
	var err error
	if d.spare.headers != nil && lock(f) {
		if err = os.Remove(d.path + spareSuffix); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	d.spare = spare{}
	return errors.Join(err, f.Close())
}

// spareError says why a spare file could not be written: as DuckDB's own errors, where it would have failed as well.
func spareError(path string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return twice.Errorf("disk-full", "no space left for the database: %w", err).
			WithNext("free some space where the database is, then run the same command again")
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return readOnly(path)
	}
	return twice.Errorf("spare", "%s, without which a process that is killed may cost the database, cannot be written: %w", path+spareSuffix, err).
		WithNext("see whether the folder of %s can be written", path)
}
