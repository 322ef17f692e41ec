// All resources of the resource group.
import * as types from 'types.bicep'

@minLength(1)
@maxLength(40)
@description('Part of the names of the resources. azd calls it the environment.')
param environmentName string

@minLength(1)
@description('Region of all resources. It must offer Flex Consumption.')
param location string

param contact types.contact
param api types.api
param scale types.scale
param monitoring types.monitoring
param mail types.mail
param options types.options

@minValue(0)
@description('Per month, in the currency of the subscription. 0 creates no budget.')
param monthlyBudget int

var token = uniqueString(subscription().id, environmentName, location)
var signsIn = api.access.kind == 'signIn'
var tags = types.tagsOf(environmentName, options)

// The app uses this identity for storage, key vault and monitor.
resource appIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-${token}'
  location: location
  tags: tags
}

// The platform uses this identity to write and read the package. appIdentity has no role on the package, so a bug in
// the app cannot replace it. It is no protection against malicious code in the app, which can request a token for both.
resource packageIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-package-${token}'
  location: location
  tags: tags
}

// The app registration trusts this identity instead of a secret: https://learn.microsoft.com/azure/app-service/
// configure-authentication-provider-aad#use-a-managed-identity-instead-of-a-secret-preview. It has no role anywhere.
resource signInIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = if (signsIn) {
  name: 'id-sign-in-${token}'
  location: location
  tags: tags
}

module package 'app/package.bicep' = {
  params: {
    location: location
    token: token
    tags: tags
    packageIdentityName: packageIdentity.name
    options: options
  }
}

module storage 'app/storage.bicep' = {
  params: {
    location: location
    token: token
    tags: tags
    appIdentityName: appIdentity.name
    options: options
  }
}

module secrets 'app/secrets.bicep' = {
  params: {
    location: location
    token: token
    tags: tags
    appIdentityName: appIdentity.name
    options: options
  }
}

module export 'app/export.bicep' = if (options.feedbackExport) {
  params: {
    location: location
    token: token
    tags: tags
    appIdentityName: appIdentity.name
    retentionDays: api.feedbackRetentionDays
    options: options
  }
}

module network 'app/network.bicep' = if (options.privateNetwork) {
  params: {
    location: location
    token: token
    tags: tags
    endpoints: [
      { name: 'st', resourceId: storage.outputs.accountId, service: 'blob' }
      { name: 'st', resourceId: storage.outputs.accountId, service: 'table' }
      { name: 'stpkg', resourceId: package.outputs.accountId, service: 'blob' }
      { name: 'kv', resourceId: secrets.outputs.vaultId, service: 'vault' }
      ...(options.feedbackExport ? [{ name: 'stexp', resourceId: export!.outputs.accountId, service: 'blob' }] : [])
    ]
  }
}

module logs 'app/logs.bicep' = {
  params: {
    location: location
    token: token
    tags: tags
    appIdentityName: appIdentity.name
    monitoring: monitoring
  }
}

module site 'app/site.bicep' = {
  params: {
    location: location
    token: token
    tags: tags
    appIdentityName: appIdentity.name
    packageIdentityName: packageIdentity.name
    signInIdentityName: signsIn ? signInIdentity.name : ''
    subnetId: options.privateNetwork ? network!.outputs.appSubnetId : ''
    packageContainer: package.outputs.containerUrl
    blobEndpoint: storage.outputs.blobEndpoint
    tableEndpoint: storage.outputs.tableEndpoint
    feedbackTable: storage.outputs.feedbackTable
    incidentsTable: storage.outputs.incidentsTable
    exportContainer: options.feedbackExport ? export!.outputs.containerUrl : ''
    vaultUri: secrets.outputs.vaultUri
    insightsConnection: logs.outputs.insightsConnection
    contact: contact
    api: api
    scale: scale
    mail: mail
    options: options
  }
}

// From here on, modules get names as literals and use dependsOn: what-if does not expand a module whose resource names
// come from the outputs of another module.
module signIn 'app/signin.bicep' = {
  params: {
    functionApp: 'func-${token}'
    clientId: api.access.?clientId ?? ''
  }
  dependsOn: [
    site
  ]
}

module domain 'app/domain.bicep' = if (!empty(options.customDomain)) {
  params: {
    location: location
    tags: tags
    functionApp: 'func-${token}'
    hostName: options.customDomain
  }
  dependsOn: [
    site
  ]
}

module audit 'app/audit.bicep' = if (options.auditLogs) {
  params: {
    workspaceId: logs.outputs.workspaceId
    vaultName: 'kv-${token}'
    accounts: [
      'st${token}'
      'stpkg${token}'
      ...(options.feedbackExport ? ['stexp${token}'] : [])
    ]
    tableAccount: 'st${token}'
  }
  dependsOn: [
    secrets
    storage
    package
    export
  ]
}

module alerts 'app/alerts.bicep' = {
  params: {
    location: location
    token: token
    tags: tags
    workspaceId: logs.outputs.workspaceId
    contact: contact
    monitoring: monitoring
  }
}

module availability 'app/availability.bicep' = if (monitoring.availabilityTest) {
  params: {
    location: location
    token: token
    tags: tags
    appUrl: site.outputs.url
    insightsId: logs.outputs.insightsId
    opsGroupId: alerts.outputs.opsGroupId
  }
}

module budget 'app/budget.bicep' = if (monthlyBudget > 0) {
  params: {
    token: token
    monthlyBudget: monthlyBudget
    contact: contact
  }
}

output AZURE_LOCATION string = location
output AZURE_RESOURCE_GROUP string = resourceGroup().name
output AZURE_FUNCTION_NAME string = site.outputs.name
output AZURE_FUNCTION_URL string = site.outputs.url
output AZURE_STORAGE_ACCOUNT string = storage.outputs.accountName
output AZURE_PACKAGE_ACCOUNT string = package.outputs.accountName
output AZURE_KEY_VAULT string = secrets.outputs.vaultName
output AZURE_INCIDENTS_GROUP string = alerts.outputs.incidentsGroup
