// What a deployment can choose: main.bicep and resources.bicep have parameters of these types, the .bicepparam files
// give their values, and what they have nothing to say about is in defaults.

@export()
@description('Who is told when something is wrong: by mail, and by text message where there is a number.')
@sealed()
type contact = {
  @minLength(3)
  @description('Gets the alerts, the incident reports, and word of the budget.')
  email: string

  @description('A number without its country code, or nothing.')
  phone: string

  phoneCountry: string
}

@sealed()
type functionKey = {
  kind: 'functionKey'
}

@sealed()
type anonymous = {
  kind: 'anonymous'
}

@sealed()
type signIn = {
  kind: 'signIn'

  @minLength(36)
  @maxLength(36)
  @description('The app registration in Entra ID: its application (client) ID.')
  clientId: string
}

@discriminator('kind')
@description('Who may call: one of these, for a key would be asked for on top of a sign-in.')
type access = functionKey | signIn | anonymous

@export()
@description('What callers meet.')
@sealed()
type api = {
  access: access

  @description('Pages of which other origins may call.')
  corsOrigins: string[]

  @description('A model in models/ that overrules the champion of models/registry.json, or nothing.')
  model: string

  @minValue(1)
  @description('For how many days a prediction can be given feedback.')
  receiptDays: int

  @minValue(1)
  @description('After how many days feedback is purged.')
  feedbackRetentionDays: int
}

@export()
@sealed()
type scale = {
  instanceMemoryMB: 512 | 2048 | 4096

  @minValue(1)
  @maxValue(1000)
  @description('Requests that an instance works on at the same time; host.json says how many it accepts.')
  httpConcurrency: int

  @minValue(0)
  @maxValue(1000)
  @description('Instances that are kept warm, and paid for, all the time.')
  alwaysReadyInstances: int

  @minValue(40)
  @maxValue(1000)
  maximumInstanceCount: int
}

@export()
@sealed()
type monitoring = {
  @minValue(1)
  @description('Logs beyond this many GB a day are dropped, and alerts are blind until the next day.')
  dailyLogGb: int

  @description('Whether there are calls round the clock, so that an hour without one is an alarm.')
  expectTraffic: bool

  @description('Whether the app is asked from outside if it is ready: that costs, and keeps an instance warm.')
  availabilityTest: bool
}

@export()
@description('The SMTP server that takes incident reports; none are sent where host is empty.')
@sealed()
type mail = {
  @description('For example smtp.azurecomm.net.')
  host: string

  @minValue(1)
  @maxValue(65535)
  port: int

  @description('With a user, the password is the secret smtp-password of the key vault.')
  user: string

  @description('Sender of the incident reports.')
  from: string
}

@export()
@description('What an organisation may ask of production. What it costs: `make cost`.')
@sealed()
type options = {
  @description('Storage and key vault are reached through a virtual network, and closed to all others.')
  privateNetwork: bool

  @description('Whoever reads or writes in storage and key vault is noted in the workspace.')
  auditLogs: bool

  @description('App and storage stay when a zone of the region fails.')
  zoneRedundant: bool

  // Switched off, nobody purges: a file then stays feedbackRetentionDays from when it was last written, unless somebody
  // deletes the container.
  @description('Every night feedback is copied to a storage account of its own, and purged there as in its table.')
  feedbackExport: bool

  @description('A host name such as buzz.example.org, whose DNS records are there already, or nothing.')
  customDomain: string

  @description('Goes onto everything as the tag cost-centre, unless empty.')
  costCentre: string

  @description('Goes onto everything as the tag owner, unless empty.')
  owner: string
}

@export()
type tags = {
  *: string
}

@export()
@description('What every resource is tagged with.')
func tagsOf(environmentName string, options options) tags =>
  union(
    { 'azd-env-name': environmentName },
    empty(options.costCentre) ? {} : { 'cost-centre': options.costCentre },
    empty(options.owner) ? {} : { owner: options.owner }
  )

@export()
var defaults = {
  contact: {
    phone: ''
    phoneCountry: '1'
  }
  api: {
    access: { kind: 'functionKey' }
    corsOrigins: []
    model: ''
    receiptDays: 30
    feedbackRetentionDays: 90
  }
  scale: {
    instanceMemoryMB: 512
    httpConcurrency: 32
    alwaysReadyInstances: 0
    maximumInstanceCount: 40
  }
  monitoring: {
    dailyLogGb: 1
    expectTraffic: false
    availabilityTest: false
  }
  mail: {
    host: ''
    port: 587
    user: ''
    from: ''
  }
  options: {
    privateNetwork: false
    auditLogs: false
    zoneRedundant: false
    feedbackExport: false
    customDomain: ''
    costCentre: ''
    owner: ''
  }
}
