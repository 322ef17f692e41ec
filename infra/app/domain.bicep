// A custom host name. Azure creates a certificate only for a bound name, and a binding with TLS needs the certificate.
// So this binds the name once without TLS, and tls.bicep binds it again. The DNS records must exist before.
import * as types from '../types.bicep'

param location string
param tags types.tags
param functionApp string
param hostName string

resource site 'Microsoft.Web/sites@2025-03-01' existing = {
  name: functionApp
}

// Created only once: a second deployment would remove TLS until tls.bicep adds it again.
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

// A certificate of the site: Flex Consumption cannot bind others,
// https://github.com/hashicorp/terraform-provider-azurerm/issues/31884
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
