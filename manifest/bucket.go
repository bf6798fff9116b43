package manifest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/twice-data/twice"
)

// Bucket is a Store in an S3-compatible bucket: prefix/ab/abcd… holds the capture abcd….
type Bucket struct {
	client *minio.Client
	bucket string
	prefix string
}

var _ Store = (*Bucket)(nil)

// OpenBucket opens the bucket of an address like s3://bucket/prefix, which must exist. Endpoint, region and credentials
// come from the variables that Amazon's own tools read: AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL, AWS_REGION,
// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, or else from ~/.aws/credentials.
func OpenBucket(address string, env func(string) (string, bool)) (*Bucket, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "s3" || u.Host == "" {
		return nil, twice.Errorf("bad-url", "captures: %q is not a bucket", address).
			WithNext("write captures: s3://bucket/prefix").WithExit(twice.ExitProject)
	}
	get := func(name string) string { value, _ := env(name); return value }
	endpoint := cmp.Or(get("AWS_ENDPOINT_URL_S3"), get("AWS_ENDPOINT_URL"), "https://s3.amazonaws.com")
	server, err := url.Parse(endpoint)
	if err != nil || server.Host == "" {
		return nil, twice.Errorf("bad-url", "AWS_ENDPOINT_URL_S3 is not an address").
			WithNext("export AWS_ENDPOINT_URL_S3=https://host:port").WithExit(twice.ExitProject)
	}
	keys := credentials.NewFileAWSCredentials("", "")
	if id := get("AWS_ACCESS_KEY_ID"); id != "" {
		keys = credentials.NewStaticV4(id, get("AWS_SECRET_ACCESS_KEY"), get("AWS_SESSION_TOKEN"))
	}
	client, err := minio.New(server.Host, &minio.Options{
		Creds: keys, Secure: server.Scheme == "https", Region: cmp.Or(get("AWS_REGION"), get("AWS_DEFAULT_REGION"), "us-east-1"),
		MaxRetries: 5,
	})
	if err != nil {
		return nil, twice.Errorf("capture-store", "the bucket %s cannot be opened: %w", u.Host, err)
	}
	return &Bucket{client: client, bucket: u.Host, prefix: strings.Trim(u.Path, "/")}, nil
}

// Put implements Store. The bytes go through a temporary file, as their hash is their name.
func (b *Bucket) Put(ctx context.Context, r io.Reader) (twice.File, error) {
	tmp, err := os.MkdirTemp("", "twice-put-")
	if err != nil {
		return twice.File{}, err
	}
	defer os.RemoveAll(tmp)
	local := Local{Dir: tmp}
	file, err := local.Put(ctx, r)
	if err != nil {
		return twice.File{}, err
	}
	_, err = b.client.FPutObject(ctx, b.bucket, b.name(file.SHA256), local.path(file.SHA256), minio.PutObjectOptions{})
	if err != nil {
		return twice.File{}, b.failed(ctx, err)
	}
	return file, nil
}

// Open implements Store.
func (b *Bucket) Open(ctx context.Context, sha string) (io.ReadCloser, error) {
	if !isHash(sha) {
		return nil, captureMissing(sha, b.where())
	}
	in, err := b.client.GetObject(ctx, b.bucket, b.name(sha), minio.GetObjectOptions{})
	if err == nil {
		_, err = in.Stat()
	}
	if isNoSuchKey(err) {
		return nil, captureMissing(sha, b.where())
	}
	if err != nil {
		return nil, b.failed(ctx, err)
	}
	return &verified{source: source{ctx: ctx, r: in}, file: in, sum: sha256.New(), sha: sha, where: b.where()}, nil
}

// List implements Store.
func (b *Bucket) List(ctx context.Context) ([]twice.File, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	prefix := b.prefix
	if prefix != "" {
		prefix += "/"
	}
	var files []twice.File
	for o := range b.client.ListObjects(ctx, b.bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if o.Err != nil {
			return nil, b.failed(ctx, o.Err)
		}
		sha := path.Base(o.Key)
		if isHash(sha) && o.Key == b.name(sha) {
			files = append(files, twice.File{Size: o.Size, SHA256: sha, ModAt: o.LastModified.UTC()})
		}
	}
	slices.SortFunc(files, func(a, b twice.File) int { return strings.Compare(a.SHA256, b.SHA256) })
	return files, nil
}

// Delete implements Store.
func (b *Bucket) Delete(ctx context.Context, sha string) error {
	if !isHash(sha) {
		return nil
	}
	if err := b.client.RemoveObject(ctx, b.bucket, b.name(sha), minio.RemoveObjectOptions{}); err != nil && !isNoSuchKey(err) {
		return b.failed(ctx, err)
	}
	return nil
}

func (b *Bucket) name(sha string) string { return path.Join(b.prefix, sha[:2], sha) }

func (b *Bucket) where() string { return "s3://" + path.Join(b.bucket, b.prefix) }

func isNoSuchKey(err error) bool {
	return err != nil && minio.ToErrorResponse(err).Code == minio.NoSuchKey
}

// failed words what the server or the network said. Neither says a key.
func (b *Bucket) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	said := minio.ToErrorResponse(err)
	var network *url.Error
	switch {
	case errors.As(err, &network):
		err = network.Err // without the address, which is signed
	case said.StatusCode == http.StatusForbidden:
		return twice.Errorf("capture-store", "captures cannot be kept in %s: %s", b.where(), said.Message).
			WithNext("check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION")
	case said.Code == minio.NoSuchBucket:
		return twice.Errorf("capture-store", "there is no bucket %s", b.bucket).
			WithNext("make it, or check captures: in twice.yml and AWS_ENDPOINT_URL_S3")
	}
	return twice.Errorf("capture-store", "captures cannot be kept in %s: %w", b.where(), err).
		WithNext("check the network and AWS_ENDPOINT_URL_S3, then run again; nothing was written")
}
