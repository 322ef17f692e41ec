// The function app, on Flex Consumption.
import * as types from '../types.bicep'

param location string
param token string
param tags types.tags

@description('Name of the identity that the app runs as.')
param appIdentityName string

@description('Name of the identity that the platform writes and reads the package with.')
param packageIdentityName string

@description('Name of the identity that vouches for the app where people sign in; empty where they do not.')
param signInIdentityName string

@description('Subnet of the app; empty where it is in no virtual network.')
param subnetId string

param packageContainer string
param blobEndpoint string
param tableEndpoint string
param feedbackTable string
param incidentsTable string

@description('URL of the container that feedback is exported to; empty where it is not.')
param exportContainer string

param vaultUri string
param insightsConnection string
param contact types.contact
param api types.api
param scale types.scale
param mail types.mail
param options types.options

@description('Without a version: a rotated secret is read within a day, or at once after a restart.')
func secret(vaultUri string, name string) string => '@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/${name})'

resource appIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: appIdentityName
}

resource packageIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: packageIdentityName
}

resource signInIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = if (!empty(signInIdentityName)) {
  name: signInIdentityName
}

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: 'plan-${token}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true // Linux
    zoneRedundant: options.zoneRedundant
  }
}

resource site 'Microsoft.Web/sites@2025-03-01' = {
  name: 'func-${token}'
  location: location
  tags: union(tags, { 'azd-service-name': 'api' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${appIdentity.id}': {}
      '${packageIdentity.id}': {}
      ...(empty(signInIdentityName) ? {} : { '${signInIdentity.id}': {} })
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    // Azure reads this only when the app is created; always on, so that a domain can be added later. Its published types
    // do not have it.
    #disable-next-line BCP037
    siteScopedCertificatesEnabled: true
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId // this plan sends all outbound traffic there
    keyVaultReferenceIdentity: appIdentity.id
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: packageContainer
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: packageIdentity.id
          }
        }
      }
      scaleAndConcurrency: {
        instanceMemoryMB: scale.instanceMemoryMB
        maximumInstanceCount: scale.maximumInstanceCount
        triggers: {
          http: {
            perInstanceConcurrency: scale.httpConcurrency // Python's default is 1
          }
        }
        alwaysReady: scale.alwaysReadyInstances == 0
          ? []
          : [{ name: 'http', instanceCount: scale.alwaysReadyInstances }]
      }
      runtime: {
        name: 'python'
        version: '3.13'
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      http20Enabled: true
      cors: {
        allowedOrigins: api.corsOrigins
      }
      appSettings: [
        // Of the Functions host. It keeps no table: its diagnostic events would need a role on all of them.
        { name: 'AzureWebJobsStorage__blobServiceUri', value: blobEndpoint }
        { name: 'AzureWebJobsStorage__credential', value: 'managedidentity' }
        { name: 'AzureWebJobsStorage__clientId', value: appIdentity.properties.clientId }
        // Of signin.bicep
        ...(empty(signInIdentityName)
          ? []
          : [{ name: 'OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID', value: signInIdentity!.properties.clientId }])
        // Of OpenTelemetry
        {
          name: 'APPLICATIONINSIGHTS_AUTHENTICATION_STRING'
          value: 'ClientId=${appIdentity.properties.clientId};Authorization=AAD'
        }
        { name: 'PYTHON_ENABLE_OPENTELEMETRY', value: 'true' }
        { name: 'OTEL_SERVICE_NAME', value: 'buzzguard' }
        // Every one: alerts count them. The host has samplers of its own, and keeps five a second whatever others say.
        { name: 'OTEL_TRACES_SAMPLER', value: 'microsoft.fixed_percentage' }
        { name: 'OTEL_TRACES_SAMPLER_ARG', value: '1.0' }
        // Of cloud/settings.py, where what is empty has its default
        { name: 'APPLICATIONINSIGHTS_CONNECTION_STRING', value: insightsConnection }
        { name: 'RECEIPT_KEY', value: secret(vaultUri, 'receipt-key') }
        { name: 'RECEIPT_KEY_PREVIOUS', value: secret(vaultUri, 'receipt-key-previous') }
        { name: 'RECEIPT_DAYS', value: string(api.receiptDays) }
        { name: 'AUTH_LEVEL', value: api.access.kind == 'functionKey' ? 'function' : 'anonymous' }
        { name: 'MODEL', value: api.model }
        { name: 'TABLES_ENDPOINT', value: tableEndpoint }
        { name: 'MANAGED_IDENTITY_CLIENT_ID', value: appIdentity.properties.clientId }
        { name: 'FEEDBACK_TABLE', value: feedbackTable }
        { name: 'FEEDBACK_RETENTION_DAYS', value: string(api.feedbackRetentionDays) }
        { name: 'EXPORT_CONTAINER_URL', value: exportContainer }
        { name: 'INCIDENT_KEY', value: secret(vaultUri, 'incident-key') }
        { name: 'INCIDENT_KEY_PREVIOUS', value: secret(vaultUri, 'incident-key-previous') }
        { name: 'INCIDENTS_TABLE', value: incidentsTable }
        { name: 'SMTP_HOST', value: mail.host }
        { name: 'SMTP_PORT', value: string(mail.port) }
        { name: 'SMTP_USER', value: mail.user }
        { name: 'SMTP_PASSWORD', value: empty(mail.user) ? '' : secret(vaultUri, 'smtp-password') }
        { name: 'MAIL_FROM', value: mail.from }
        { name: 'MAIL_TO', value: contact.email }
      ]
    }
  }
}

// Packages come from holders of a role, never of a password.
resource ftp 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: site
  name: 'ftp'
  properties: {
    allow: false
  }
}

resource scm 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: site
  name: 'scm'
  properties: {
    allow: false
  }
}

output name string = site.name
output url string = 'https://${site.properties.defaultHostName}'
