// A host name of one's own. Azure makes a certificate for a name that is bound, and a binding with TLS asks for the
// certificate: so the name is bound, once and without TLS, and tls.bicep binds it again. DNS must point here before.
import * as types from '../types.bicep'

param location string
param tags types.tags
param functionApp string
param hostName string

resource site 'Microsoft.Web/sites@2025-03-01' existing = {
  name: functionApp
}

// Once: a second deployment would take TLS away until tls.bicep gives it back.
@onlyIfNotExists()
resource binding 'Microsoft.Web/sites/hostNameBindings@2025-03-01' = {
  parent: site
  name: hostName
  properties: {
    hostNameType: 'Verified'
    customHostNameDnsRecordType: 'CName'
    sslState: 'Disabled'
  }
}

// Of the site: Flex Consumption binds no others, https://github.com/hashicorp/terraform-provider-azurerm/issues/31884
resource certificate 'Microsoft.Web/sites/certificates@2025-03-01' = {
  parent: site
  name: hostName
  location: location
  tags: tags
  properties: {
    canonicalName: hostName
  }
  dependsOn: [
    binding
  ]
}

module tls 'tls.bicep' = {
  params: {
    functionApp: functionApp
    hostName: hostName
    thumbprint: certificate.properties.thumbprint
  }
}
