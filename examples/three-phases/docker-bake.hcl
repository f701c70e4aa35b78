# An agent in every image of a dataset, in three phases: the agent is made once, each
# instance's image is prepared once, and both are put together.
#
#   stoker bake --rows instances.jsonl --rows-var instances --push
#
# Each tag is a hash of what is built. Where it exists, nothing of it has changed, and nothing
# is built: a new agent makes the builder and the agents' images anew, and no base.

variable "REGISTRY" {
  default = "127.0.0.1:5000"
}

# What the agent is made in.
variable "BUILDER_IMAGE" {
  default = "${REGISTRY}/base/apple:1"
}

# The rows of the dataset, each with an image of its own.
variable "instances" {
  type = list(object({
    id      = string
    image   = string
    wrapped = optional(bool)
  }))
  default = []
}

function "name" {
  params = [id]
  result = regex_replace(lower(id), "[^a-z0-9_-]+", "-")
}

# Some are wrapped once more.
variable "wrapped" {
  default = [for i in instances : i if i.wrapped == true]
}

group "default" {
  targets = concat(["builder", "base", "agent"], length(wrapped) > 0 ? ["wrapped"] : [])
}

target "builder" {
  context = "agent"
  target  = "builder"
  args    = { BUILDER_IMAGE = BUILDER_IMAGE }
  tags    = ["${REGISTRY}/builder:{{.GraphHash}}"]
}

target "base" {
  name    = "base-${name(i.id)}"
  matrix  = { i = instances }
  context = "agent"
  target  = "base"
  args    = { BASE_IMAGE = i.image }
  tags    = ["${REGISTRY}/base/${name(i.id)}:{{.GraphHash}}"]
}

target "agent" {
  name     = "agent-${name(i.id)}"
  matrix   = { i = instances }
  context  = "agent"
  target   = "agent"
  contexts = {
    builder = "target:builder"
    base    = "target:base-${name(i.id)}"
  }
  tags = ["${REGISTRY}/agent/${name(i.id)}:{{.GraphHash}}"]
}

target "wrapped" {
  name     = "wrapped-${name(i.id)}"
  matrix   = { i = wrapped }
  context  = "wrapper"
  contexts = { agent = "target:agent-${name(i.id)}" }
  tags     = ["${REGISTRY}/wrapped/${name(i.id)}:{{.GraphHash}}"]
}
