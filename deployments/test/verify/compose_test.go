package verify

import (
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/distribution/reference"
)

const (
	repository  = "../../.."
	composeFile = "../../compose/compose.yaml"
	envExample  = "../../compose/.env.example"
)

// load reads the compose file like `docker compose`, including the checks of the
// schema and of references.
func load(t *testing.T, env map[string]string) (*types.Project, error) {
	t.Helper()
	var environ []string
	for name, value := range env {
		environ = append(environ, name+"="+value)
	}
	options, err := cli.NewProjectOptions([]string{composeFile}, cli.WithEnv(environ))
	if err != nil {
		t.Fatal(err)
	}
	return options.LoadProject(t.Context())
}

func project(t *testing.T) *types.Project {
	t.Helper()
	p, err := load(t, filled(t))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// filled returns the example of .env with a value for each name.
func filled(t *testing.T) map[string]string {
	t.Helper()
	env := example(t)
	for name := range env {
		env[name] = strings.Repeat("0f", 32)
	}
	return env
}

func example(t *testing.T) map[string]string {
	t.Helper()
	file, err := os.ReadFile(envExample)
	if err != nil {
		t.Fatal(err)
	}
	env, err := dotenv.UnmarshalBytesWithLookup(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	return env
}

func TestComposeRequiresEachSecret(t *testing.T) {
	env := filled(t)
	if _, ok := env["AUTH_SECRET"]; !ok {
		t.Error("the example lacks AUTH_SECRET")
	}
	for name := range env {
		for state, change := range map[string]func(map[string]string){
			name + " missing": func(e map[string]string) { delete(e, name) },
			name + " empty":   func(e map[string]string) { e[name] = "" },
		} {
			t.Run(state, func(t *testing.T) {
				env := maps.Clone(env)
				change(env)
				_, err := load(t, env)
				if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), ".env") {
					t.Errorf("got error %v, want an error that names %s and .env", err, name)
				}
			})
		}
	}
}

func TestExampleHoldsNoSecret(t *testing.T) {
	for name, value := range example(t) {
		if value != "" {
			t.Errorf("%s has the value %q", name, value)
		}
	}
}

// TestPublishedPortsAreLocal lists the published ports; only this host reaches
// them.
func TestPublishedPortsAreLocal(t *testing.T) {
	want := map[string]string{"127.0.0.1:8080": "parley:8080", "127.0.0.1:8081": "rabbitmq:15672"}
	got := make(map[string]string)
	for name, service := range project(t).Services {
		for _, port := range service.Ports {
			got[port.HostIP+":"+port.Published] = name + ":" + decimal(port.Target)
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("got published ports %v, want %v", got, want)
	}
}

func TestImagesHaveFixedVersions(t *testing.T) {
	images := basesOf(t)
	for _, service := range project(t).Services {
		if service.Build == nil {
			images = append(images, service.Image)
		}
	}
	for _, image := range images {
		name, err := reference.ParseNormalizedNamed(image)
		if err != nil {
			t.Errorf("%s: %v", image, err)
			continue
		}
		if tagged, ok := name.(reference.Tagged); !ok || tagged.Tag() == "latest" {
			t.Errorf("%s has no fixed version", image)
		}
	}
}

// TestVolumesHoldFilesAndData checks that bind mounts exist, because a missing
// file would become an empty folder, and that data is kept in named volumes.
func TestVolumesHoldFilesAndData(t *testing.T) {
	data := make(map[string]string)
	for name, service := range project(t).Services {
		for _, volume := range service.Volumes {
			switch volume.Type {
			case types.VolumeTypeBind:
				if _, err := os.Stat(volume.Source); err != nil {
					t.Error(err)
				}
			case types.VolumeTypeVolume:
				data[name] = volume.Target
			}
		}
		if service.Restart == "" || service.StopGracePeriod == nil {
			t.Errorf("%s lacks restart or stop_grace_period", name)
		}
	}
	want := map[string]string{"parley": "/data", "postgres": "/var/lib/postgresql/data", "rabbitmq": "/var/lib/rabbitmq"}
	if !maps.Equal(data, want) {
		t.Errorf("got volumes %v, want %v", data, want)
	}
	if project(t).Services["rabbitmq"].Hostname == "" {
		t.Error("RabbitMQ has no hostname, and an empty database with each container")
	}
}

// TestVariablesAreReadByPrograms compares each variable with the configuration in
// the program's source, and each URL with the listening services.
func TestVariablesAreReadByPrograms(t *testing.T) {
	p := project(t)
	addresses := listeners(t, p)
	for _, name := range built(p) {
		environment := p.Services[name].Environment
		known := variables(t, commandOf(t, name))
		for variable, value := range environment {
			if !known[variable] {
				t.Errorf("%s reads no %s", name, variable)
			}
			if u, err := url.Parse(*value); err == nil && u.Host != "" && !slices.Contains(addresses, u.Host) {
				t.Errorf("%s connects to %s by %s, where no service listens", name, u.Host, variable)
			}
		}
		if known["AUTH_SECRET"] && environment["AUTH_SECRET"] == nil {
			t.Errorf("%s gets no AUTH_SECRET", name)
		}
	}
}

// TestQueuesExistBeforeTheFirstStartOfAConsumer compares the queues that policyd
// declares with the types of events in the contract.
func TestQueuesExistBeforeTheFirstStartOfAConsumer(t *testing.T) {
	const chat, payments = "lab-chat-service-", "lab-payments-service-"
	schemas, err := filepath.Glob(filepath.Join(repository, "api/schemas/events/*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var possible []string
	for _, schema := range schemas {
		eventType := strings.TrimSuffix(filepath.Base(schema), ".yaml")
		possible = append(possible, chat+eventType, payments+eventType)
	}
	declared := strings.Split(*project(t).Services["policyd"].Environment["EVENTS_QUEUES"], ",")
	for _, queue := range declared {
		if !slices.Contains(possible, queue) {
			t.Errorf("queue %q is for no event of the contract", queue)
		}
	}
	for _, queue := range []string{
		chat + "PolicyCreated", chat + "PolicyTerminated", chat + "ProductActivated", chat + "TariffChanged",
		payments + "PolicyCreated", payments + "PolicyTerminated",
	} {
		if !slices.Contains(declared, queue) {
			t.Errorf("queue %s is not declared", queue)
		}
	}
}

// listeners returns the addresses of services on the compose network, host:port.
func listeners(t *testing.T, p *types.Project) []string {
	t.Helper()
	all := []string{"postgres:5432", "rabbitmq:5672"} // the ports of their images
	for _, name := range built(p) {
		for variable, value := range p.Services[name].Environment {
			if !strings.HasSuffix(variable, "_ADDR") {
				continue
			}
			port, ok := strings.CutPrefix(*value, "0.0.0.0:")
			if !ok {
				t.Errorf("%s listens on %s, which other containers cannot reach", name, *value)
			}
			all = append(all, name+":"+port)
			for _, published := range p.Services[name].Ports {
				if decimal(published.Target) != port {
					t.Errorf("%s listens on port %s, and port %d is published", name, port, published.Target)
				}
			}
		}
	}
	return all
}

// built returns the services that are built from this repository.
func built(p *types.Project) []string {
	var names []string
	for name, service := range p.Services {
		if service.Build != nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func TestServicesAreDockerfileTargets(t *testing.T) {
	p := project(t)
	if want := []string{"chatd", "parley", "paymentsd", "policyd"}; !slices.Equal(built(p), want) {
		t.Errorf("got built services %v, want %v", built(p), want)
	}
	root, err := filepath.Abs(repository)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range built(p) {
		build := p.Services[name].Build
		if build.Context != root || build.Dockerfile != "deployments/compose/Dockerfile" {
			t.Errorf("%s is built in %s from %s", name, build.Context, build.Dockerfile)
		}
		if build.Target != name {
			t.Errorf("%s is built to %q", name, build.Target)
		}
		stage(t, build.Target)
	}
}
