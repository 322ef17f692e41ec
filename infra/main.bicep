targetScope = 'subscription'

@minLength(1)
@maxLength(40)
@description('Names the resource group; azd calls it the environment.')
param environmentName string

@minLength(1)
@description('Region of everything; it must offer Flex Consumption.')
@metadata({ azd: { type: 'location' } })
param location string

@minLength(3)
@description('Who is mailed when an alert fires or the budget runs out, and who gets the incident reports.')
param opsEmail string

@description('Who gets the alerts as text messages: a number without its country code, or nothing.')
param opsPhone string = ''

@description('Country code of opsPhone.')
param opsPhoneCountry string = '1'

@allowed(['function', 'anonymous'])
@description('Who may call: the holders of a function key, or anyone.')
param authLevel string = 'function'

@description('Pages of which other origins may call, with commas between them.')
param corsOrigins string = ''

@description('A model in models/ that overrules the champion of models/registry.json.')
param model string = ''

@description('For how many days a prediction can be given feedback.')
param receiptDays int = 30

@description('After how many days feedback is purged.')
param feedbackRetentionDays int = 90

@allowed([512, 2048, 4096])
param instanceMemoryMB int = 512

@minValue(1)
@maxValue(1000)
@description('Requests that an instance works on at the same time; host.json says how many it accepts.')
param httpConcurrency int = 32

@minValue(0)
@maxValue(1000)
@description('Instances that are kept warm, and paid for, all the time.')
param alwaysReadyInstances int = 0

@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 40

@minValue(1)
@description('Logs beyond this many GB a day are dropped, and alerts are blind until the next day.')
param dailyLogGb int = 1

@minValue(0)
@description('In the currency of the subscription; 0 makes no budget.')
param monthlyBudget int = 50

@description('SMTP server that takes incident reports, e.g. smtp.azurecomm.net; none are sent without it.')
param smtpHost string = ''

param smtpPort int = 587

@description('With a user, the password is the secret smtp-password of the key vault.')
param smtpUser string = ''

@description('Sender of the incident reports.')
param mailFrom string = ''

var token = toLower(uniqueString(subscription().id, environmentName, location))
var tags = { 'azd-env-name': environmentName }

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identity 'app/identity.bicep' = {
  name: 'identity'
  scope: group
  params: {
    location: location
    token: token
    tags: tags
  }
}

module storage 'app/storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    location: location
    token: token
    tags: tags
    principalId: identity.outputs.principalId
  }
}

module secrets 'app/secrets.bicep' = {
  name: 'secrets'
  scope: group
  params: {
    location: location
    token: token
    tags: tags
    principalId: identity.outputs.principalId
  }
}

module logs 'app/logs.bicep' = {
  name: 'logs'
  scope: group
  params: {
    location: location
    token: token
    tags: tags
    principalId: identity.outputs.principalId
    dailyLogGb: dailyLogGb
  }
}

module site 'app/site.bicep' = {
  name: 'site'
  scope: group
  params: {
    location: location
    token: token
    tags: tags
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    blobEndpoint: storage.outputs.blobEndpoint
    packageContainer: storage.outputs.packageContainer
    tableEndpoint: storage.outputs.tableEndpoint
    feedbackTable: storage.outputs.feedbackTable
    incidentsTable: storage.outputs.incidentsTable
    vaultUri: secrets.outputs.vaultUri
    insightsConnection: logs.outputs.insightsConnection
    authLevel: authLevel
    corsOrigins: corsOrigins
    model: model
    receiptDays: receiptDays
    feedbackRetentionDays: feedbackRetentionDays
    instanceMemoryMB: instanceMemoryMB
    httpConcurrency: httpConcurrency
    alwaysReadyInstances: alwaysReadyInstances
    maximumInstanceCount: maximumInstanceCount
    smtpHost: smtpHost
    smtpPort: smtpPort
    smtpUser: smtpUser
    mailFrom: mailFrom
    mailTo: opsEmail
  }
}

module alerts 'app/alerts.bicep' = {
  name: 'alerts'
  scope: group
  params: {
    location: location
    token: token
    tags: tags
    workspaceId: logs.outputs.workspaceId
    opsEmail: opsEmail
    opsPhone: opsPhone
    opsPhoneCountry: opsPhoneCountry
  }
}

module budget 'app/budget.bicep' = if (monthlyBudget > 0) {
  name: 'budget'
  scope: group
  params: {
    token: token
    monthlyBudget: monthlyBudget
    opsEmail: opsEmail
  }
}

output AZURE_LOCATION string = location
output AZURE_RESOURCE_GROUP string = group.name
output AZURE_FUNCTION_NAME string = site.outputs.name
output AZURE_FUNCTION_URL string = site.outputs.url
output AZURE_STORAGE_ACCOUNT string = storage.outputs.accountName
output AZURE_KEY_VAULT string = secrets.outputs.vaultName
output AZURE_INCIDENTS_GROUP string = alerts.outputs.incidentsGroup
