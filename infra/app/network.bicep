// A virtual network in which the app reaches storage and key vault at private addresses.
import * as types from '../types.bicep'

@sealed()
type endpoint = {
  @description('Short name of the resource: the first part of its name.')
  name: string

  resourceId: string
  service: 'blob' | 'table' | 'vault'
}

param location string
param token string
param tags types.tags

@description('The services that get a private address.')
param endpoints endpoint[]

var storage = environment().suffixes.storage
var zones = [
  { service: 'blob', name: 'privatelink.blob.${storage}' }
  { service: 'table', name: 'privatelink.table.${storage}' }
  { service: 'vault', name: 'privatelink.vaultcore.azure.net' }
]

resource network 'Microsoft.Network/virtualNetworks@2025-05-01' = {
  name: 'vnet-${token}'
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: ['10.0.0.0/24']
    }
    subnets: [
      {
        name: 'app' // for the function app only: Flex Consumption does not share a subnet, and rejects a name with _
        properties: {
          addressPrefix: '10.0.0.0/25'
          delegations: [
            {
              name: 'flex-consumption'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: '10.0.0.128/27'
        }
      }
    ]
  }

  resource app 'subnets' existing = {
    name: 'app'
  }

  resource endpoints 'subnets' existing = {
    name: 'endpoints'
  }
}

resource dnsZones 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for zone in zones: {
    name: zone.name
    location: 'global'
    tags: tags
  }
]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (zone, i) in zones: {
    parent: dnsZones[i]
    name: 'app'
    location: 'global'
    tags: tags
    properties: {
      registrationEnabled: false
      virtualNetwork: {
        id: network.id
      }
    }
  }
]

resource privateEndpoints 'Microsoft.Network/privateEndpoints@2025-05-01' = [
  for endpoint in endpoints: {
    name: 'pep-${endpoint.name}-${endpoint.service}-${token}'
    location: location
    tags: tags
    properties: {
      subnet: {
        id: network::endpoints.id
      }
      privateLinkServiceConnections: [
        {
          name: endpoint.service
          properties: {
            privateLinkServiceId: endpoint.resourceId
            groupIds: [
              endpoint.service
            ]
          }
        }
      ]
    }
  }
]

resource addresses 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-05-01' = [
  for (endpoint, i) in endpoints: {
    parent: privateEndpoints[i]
    name: 'default'
    properties: {
      privateDnsZoneConfigs: [
        {
          name: endpoint.service
          properties: {
            privateDnsZoneId: dnsZones[indexOf(map(zones, zone => zone.service), endpoint.service)].id
          }
        }
      ]
    }
  }
]

output appSubnetId string = network::app.id
