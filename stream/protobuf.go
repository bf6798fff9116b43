package stream

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// ofProtobuf reads messages with the schema that they were written with. Their fields are found by name, as those of JSON
// are.
func ofProtobuf(ctx context.Context, text string, parts []part) (decoder, error) {
	const name = "schema.proto"
	sources := map[string]string{name: text}
	for _, p := range parts {
		sources[p.name] = p.text
	}
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(
		&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(sources)})}
	files, err := compiler.Compile(ctx, name)
	if err != nil {
		return nil, err
	}
	nested := protojson.MarshalOptions{UseProtoNames: true, EmitDefaultValues: true, Resolver: files.AsResolver()}
	return func(value []byte) ([]byte, string) {
		desc, value, why := messageOf(files[0], value)
		if why != "" {
			return nil, why
		}
		m := dynamicpb.NewMessage(desc)
		if err := (proto.UnmarshalOptions{Resolver: files.AsResolver()}).Unmarshal(value, m); err != nil {
			return nil, "it is not of its schema: " + err.Error()
		}
		return appendMessage(nil, m, nested)
	}, nil
}

// messageOf finds which of a schema's messages a value is: before the message stands a path of indexes, of which a single
// zero is short for the first message.
func messageOf(file protoreflect.FileDescriptor, value []byte) (protoreflect.MessageDescriptor, []byte, string) {
	const cut = "it ends within the indexes of its message"
	depth, n := binary.Varint(value)
	if n <= 0 {
		return nil, nil, cut
	}
	value = value[n:]
	if depth == 0 {
		depth, value = 1, append([]byte{0}, value...)
	}
	var found protoreflect.MessageDescriptor
	among := file.Messages()
	for range depth {
		i, n := binary.Varint(value)
		if n <= 0 {
			return nil, nil, cut
		}
		if i < 0 || i >= int64(among.Len()) {
			return nil, nil, fmt.Sprintf("its schema has no message with the index %d", i)
		}
		found = among.Get(int(i))
		among, value = found.Messages(), value[n:]
	}
	if found == nil {
		return nil, nil, cut
	}
	return found, value, ""
}

// appendMessage writes a message as a JSON object. A field that tells whether it is there is null if it is not.
func appendMessage(doc []byte, m protoreflect.Message, nested protojson.MarshalOptions) ([]byte, string) {
	fields := m.Descriptor().Fields()
	doc = append(doc, '{')
	for i := range fields.Len() {
		f := fields.Get(i)
		if i > 0 {
			doc = append(doc, ',')
		}
		doc = append(appendText(doc, f.TextName()), ':')
		if f.HasPresence() && !m.Has(f) {
			doc = append(doc, "null"...)
			continue
		}
		var why string
		if doc, why = appendField(doc, f, m.Get(f), nested); why != "" {
			return nil, why
		}
	}
	return append(doc, '}'), ""
}

func appendField(doc []byte, f protoreflect.FieldDescriptor, v protoreflect.Value, nested protojson.MarshalOptions) (_ []byte, why string) {
	switch {
	case f.IsList():
		doc = append(doc, '[')
		for i := range v.List().Len() {
			if i > 0 {
				doc = append(doc, ',')
			}
			if doc, why = appendOne(doc, f, v.List().Get(i), nested); why != "" {
				return nil, why
			}
		}
		return append(doc, ']'), ""
	case f.IsMap():
		object := map[string]any{}
		v.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
			var one []byte
			one, why = appendOne(nil, f.MapValue(), v, nested)
			object[k.String()] = literal(one)
			return why == ""
		})
		return appendJSON(doc, object), why
	default:
		return appendOne(doc, f, v, nested)
	}
}

// appendOne writes a value that is no list. Messages have the JSON that Protobuf defines for them, so that a Timestamp is
// a time.
func appendOne(doc []byte, f protoreflect.FieldDescriptor, v protoreflect.Value, nested protojson.MarshalOptions) (_ []byte, why string) {
	switch f.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		text, err := nested.Marshal(v.Message().Interface())
		if err != nil {
			return nil, "its field " + f.TextName() + ": " + err.Error()
		}
		return append(doc, text...), ""
	case protoreflect.EnumKind:
		if value := f.Enum().Values().ByNumber(v.Enum()); value != nil {
			return appendText(doc, string(value.Name())), ""
		}
		return appendJSON(doc, int64(v.Enum())), "" // of a later schema
	case protoreflect.BytesKind:
		return appendJSON(doc, blob(v.Bytes())), ""
	default:
		return appendJSON(doc, v.Interface()), ""
	}
}
