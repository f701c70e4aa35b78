package check

// ruleTexts are what the rules of SARIF find, and what helps in general: of what a finding is
// about, and of advice.
var ruleTexts = map[string]struct{ finds, help string }{
	string(Input):      {"Input that cannot be used", "Correct the row or the flag that the finding names."},
	string(Builder):    {"A builder that cannot do what is asked of it", "Look at the builder that the finding names, or name another one with --builder."},
	string(Image):      {"An image that a build reads, and that cannot be had", "Correct the reference, or log in to its registry."},
	string(Build):      {"A build that would fail", "The finding says what the builder says."},
	string(Dockerfile): {"A fault in a Dockerfile, or what BuildKit's own checks warn of", "The finding names the line. https://docs.docker.com/reference/build-checks/ has BuildKit's checks."},
	string(Secret):     {"A secret that a build needs, and that is not given or would be kept", "Give secrets with --secret, and mount them where they are needed."},
	string(Tag):        {"A tag that is not one, or that several jobs have", "Make the template of --tag different for each job."},
	string(Push):       {"An image that cannot be pushed", "Log in to the registry with an account that may push there."},
	string(Output):     {"An output that cannot be written", "Name another place, or give the rights that it needs."},
	string(Quota):      {"More requests than a registry allows", "Log in, use a mirror, or spread the run over time."},
	string(Space):      {"A disk or budget on which the images do not fit", "Give it a larger disk or budget, or free some of it."},
	string(Cost):       {"What makes the plan dearer than it has to be", "The finding says what to do."},

	"misplaced-variable":  {"A variable that changes stands above steps that do not read it", "BuildKit gives each RUN all variables above it, and runs it anew where one has changed. Move the variable, and what is made of it, below the steps that read none of them."},
	"unlinked-copy":       {"A copy without --link makes the builder pull the base image", "With --link the layer is made without the base image, and once for all of them."},
	"owner-by-name":       {"An owner is given by name", "A name has to be looked up in each base image. Give the number, such as --chown=1000:1000."},
	"packages-uncached":   {"Packages are fetched anew for each base image", "Mount a cache for the packages with RUN --mount=type=cache."},
	"repeated-download":   {"The same is downloaded on several base images", "Fetch it in a stage of its own, and take it from there with COPY --link --from."},
	"unread-cache":        {"Cache is exported that nobody reads", "Leave --cache-to out, or give the same place to --cache-from."},
	"provenance":          {"Attestations that nobody asked for", "Each adds manifests to the registry. Say --provenance=false where nobody reads them."},
	"nearly-shared-bases": {"Base images have layers of about the same size and other contents", "Build them on one image that has what they share."},
	"unused-context":      {"A directory is given of which no step takes anything", "Give an empty directory where making this one takes time."},
}
