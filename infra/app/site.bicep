// The function app, on Flex Consumption.
import * as types from '../types.bicep'

param location string
param token string
param tags types.tags

@description('Name of the identity that the app runs as.')
param appIdentityName string

@description('Name of the identity that the platform writes and reads the package with.')
param packageIdentityName string

@description('Name of the identity that the app registration trusts. Empty if there is no sign-in.')
param signInIdentityName string

@description('Subnet of the app. Empty if there is no virtual network.')
param subnetId string

param packageContainer string
param blobEndpoint string
param tableEndpoint string
param feedbackTable string
param incidentsTable string

@description('URL of the container for the export of feedback. Empty if there is no export.')
param exportContainer string

param vaultUri string
param insightsConnection string
param contact types.contact
param api types.api
param scale types.scale
param mail types.mail
param options types.options

@description('A reference without a version: Azure reads a rotated secret within a day, or after a restart.')
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
    // Azure reads this only when it creates the app. Always on, so that a domain can be added later. The published
    // types do not include it.
    #disable-next-line BCP037
    siteScopedCertificatesEnabled: true
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId // Flex Consumption sends all outbound traffic there
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
        // For the Functions host. It gets no table endpoint: its diagnostic events would need a role on all tables.
        { name: 'AzureWebJobsStorage__blobServiceUri', value: blobEndpoint }
        { name: 'AzureWebJobsStorage__credential', value: 'managedidentity' }
        { name: 'AzureWebJobsStorage__clientId', value: appIdentity.properties.clientId }
        // For signin.bicep
        ...(empty(signInIdentityName)
          ? []
          : [{ name: 'OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID', value: signInIdentity!.properties.clientId }])
        // For OpenTelemetry
        {
          name: 'APPLICATIONINSIGHTS_AUTHENTICATION_STRING'
          value: 'ClientId=${appIdentity.properties.clientId};Authorization=AAD'
        }
        { name: 'PYTHON_ENABLE_OPENTELEMETRY', value: 'true' }
        { name: 'OTEL_SERVICE_NAME', value: 'buzzguard' }
        // Sample every trace, because alerts count them. By default the host keeps only five per second, whatever
        // others set.
        { name: 'OTEL_TRACES_SAMPLER', value: 'microsoft.fixed_percentage' }
        { name: 'OTEL_TRACES_SAMPLER_ARG', value: '1.0' }
        // For cloud/settings.py, which uses its default for an empty value
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
        { name: 'SMTP_SECURITY', value: mail.security }
        { name: 'SMTP_USER', value: mail.user }
        { name: 'SMTP_PASSWORD', value: empty(mail.user) ? '' : secret(vaultUri, 'smtp-password') }
        { name: 'MAIL_FROM', value: mail.from }
        { name: 'MAIL_TO', value: contact.email }
      ]
    }
  }
}

// Only holders of a role can deploy. Passwords are off.
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
