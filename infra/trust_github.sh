#!/bin/sh
# Let GitHub deploy to one environment; run once, by hand:  sh infra/trust_github.sh ENVIRONMENT REGION
#
# Creates the resource group, and an identity that only that environment of this repository can use. Its roles are limited
# to the group, and it can assign only the roles that the templates assign. Needs az, signed in as owner of the
# subscription, and gh.
set -eu
environment=$1 region=$2

# Ask GitHub how its tokens name this repository: for one created or renamed since July 2026 the name includes ids.
repository=$(gh api 'repos/{owner}/{repo}/actions/oidc/customization/sub' --jq .sub_claim_prefix)
case $repository in
    repo:*) ;;
    *) echo "GitHub did not say how its tokens name this repository; it answered: $repository" >&2; exit 1 ;;
esac

# An identity whose roles are limited to a group cannot register providers. Flex Consumption needs Microsoft.App in a
# virtual network.
providers=$(grep -ohE "Microsoft\.[A-Za-z]+/" infra/*.bicep infra/app/*.bicep | tr -d / | sort -u)
for provider in Microsoft.App $providers; do
    az provider register --namespace "$provider" --wait
done

group=$(az group create --name "rg-buzzguard-$environment" --location "$region" --query id --output tsv)
app=$(az ad app create --display-name "buzzguard-$environment" --query appId --output tsv)
az ad app federated-credential create --id "$app" --output none --parameters "{\"name\": \"github\",
    \"issuer\": \"https://token.actions.githubusercontent.com\", \"audiences\": [\"api://AzureADTokenExchange\"],
    \"subject\": \"$repository:environment:$environment\"}"
principal=$(az ad sp create --id "$app" --query id --output tsv)

guid='[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'
roles=$(grep -ohE "$guid" infra/*.bicep infra/app/*.bicep | sort -u | paste -sd, - | sed 's/,/, /g')
only="ForAnyOfAnyValues:GuidEquals {$roles}"
of=Microsoft.Authorization/roleAssignments
assign() {
    az role assignment create --assignee-object-id "$principal" --assignee-principal-type ServicePrincipal \
        --scope "$group" --output none --role "$@"
}
assign Contributor
assign "Role Based Access Control Administrator" --condition-version 2.0 --condition \
    "((!(ActionMatches{'$of/write'})) OR (@Request[$of:RoleDefinitionId] $only)) AND \
((!(ActionMatches{'$of/delete'})) OR (@Resource[$of:RoleDefinitionId] $only))"

az account show --query "join('', ['AZURE_CLIENT_ID=$app AZURE_TENANT_ID=', tenantId, ' AZURE_SUBSCRIPTION_ID=', id])" \
    --output tsv
