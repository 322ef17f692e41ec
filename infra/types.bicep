// The parameters of a deployment. main.bicep and resources.bicep have parameters of these types. The .bicepparam files
// set the values, and take the others from defaults.

@export()
@description('Who gets the alerts: by mail, and by text message if there is a number.')
@sealed()
type contact = {
  @minLength(3)
  @description('Gets the alerts, the incident reports and the budget mails.')
  email: string

  @description('A number without its country code, or empty.')
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
@description('Who may call. Only one of these, because a key would be required in addition to a sign-in.')
type access = functionKey | signIn | anonymous

@export()
@description('The HTTP API.')
@sealed()
type api = {
  access: access

  @description('Other origins whose pages may call.')
  corsOrigins: string[]

  @description('A model in models/ that overrides the champion of models/registry.json, or empty.')
  model: string

  @minValue(1)
  @description('For how many days the app accepts feedback on a prediction.')
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
  @description('Concurrent requests per instance, before another instance starts. Less than host.json allows.')
  httpConcurrency: int

  @minValue(0)
  @maxValue(1000)
  @description('Instances that are always warm, and always billed.')
  alwaysReadyInstances: int

  @minValue(40)
  @maxValue(1000)
  maximumInstanceCount: int
}

@export()
@sealed()
type monitoring = {
  @minValue(1)
  @description('More GB per day are dropped, and alerts see nothing until the next day.')
  dailyLogGb: int

  @description('Whether there are calls around the clock, so that an hour without one raises an alert.')
  expectTraffic: bool

  @description('Whether Azure checks from outside that the app is ready. It costs money and keeps an instance warm.')
  availabilityTest: bool
}

@export()
@description('The SMTP server for incident reports. If host is empty, none are sent.')
@sealed()
type mail = {
  @description('For example smtp.azurecomm.net.')
  host: string

  @minValue(1)
  @maxValue(65535)
  port: int

  @description('How the session is encrypted: by STARTTLS, or from the first byte on, as on port 465. none: not at all.')
  security: 'starttls' | 'tls' | 'none'

  @description('If set, the password is the secret smtp-password of the key vault.')
  user: string

  @description('Sender of the incident reports.')
  from: string
}

@export()
@description('Options for production. `make cost` prints their costs.')
@sealed()
type options = {
  @description('Storage and key vault are reachable only from a virtual network.')
  privateNetwork: bool

  @description('The workspace logs who reads and writes in storage and key vault.')
  auditLogs: bool

  @description('App and storage survive the failure of a zone.')
  zoneRedundant: bool

  // If it is switched off later, the app purges nothing: a file then stays for feedbackRetentionDays after it was last
  // written, unless somebody deletes the container.
  @description('Feedback is copied every night to its own storage account, and purged there like in the table.')
  feedbackExport: bool

  @description('A host name such as buzz.example.org, whose DNS records already exist, or empty.')
  customDomain: string

  @description('The tag cost-centre of all resources, unless empty.')
  costCentre: string

  @description('The tag owner of all resources, unless empty.')
  owner: string
}

@export()
type tags = {
  *: string
}

@export()
@description('The tags of every resource.')
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
    httpConcurrency: 64
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
    security: 'starttls'
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
