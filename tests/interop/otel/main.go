// The OpenTelemetry Collector's own Forward receiver, as it comes in its module, on the address of the first argument. Each
// record that it takes is printed as a JSON line {"tag":..,"record":{..}}. Ends with standard input.
package main

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"os"
	"sync"

	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/fluentforwardreceiver"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver/receivertest"
)

func main() {
	var lock sync.Mutex
	out := json.NewEncoder(os.Stdout)
	sink, err := consumer.NewLogs(func(_ context.Context, logs plog.Logs) error {
		lock.Lock()
		defer lock.Unlock()
		for i := 0; i < logs.ResourceLogs().Len(); i++ {
			scopes := logs.ResourceLogs().At(i).ScopeLogs()
			for k := 0; k < scopes.Len(); k++ {
				records := scopes.At(k).LogRecords()
				for n := 0; n < records.Len(); n++ {
					fields := records.At(n).Attributes().AsRaw()
					tag := fields["fluent.tag"]
					delete(fields, "fluent.tag")
					fields["message"] = records.At(n).Body().AsString() // the receiver makes that field the body
					if err := out.Encode(map[string]any{"tag": tag, "record": fields}); err != nil {
						return err
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	factory := fluentforwardreceiver.NewFactory()
	config := factory.CreateDefaultConfig().(*fluentforwardreceiver.Config)
	config.ListenAddress = os.Args[1]
	receiver, err := factory.CreateLogs(context.Background(), receivertest.NewNopSettings(component.MustNewType("fluentforward")), config, sink)
	if err != nil {
		log.Fatal(err)
	}
	if err := receiver.Start(context.Background(), componenttest.NewNopHost()); err != nil {
		log.Fatal(err)
	}
	log.Print("listening")
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := receiver.Shutdown(context.Background()); err != nil {
		log.Fatal(err)
	}
}
